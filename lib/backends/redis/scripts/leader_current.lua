--- flags: no-writes
--- use: base
-- Who leads. ARGV: name. Answers owner, epoch and how long the term lasts, or nothing.
local last = call('HGET', T .. 'leaders', arg())
if not last then return {} end
local epoch, untl = struct.unpack('>dd', last)
if untl <= now then return {} end
return { string.sub(last, 17), epoch, untl - now }
