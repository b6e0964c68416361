--- flags: allow-oom
--- use: base
-- Ends a term. ARGV: name, owner, epoch. Answers whether it was that owner's, in that epoch.
local name, owner, term = arg(), arg(), num()
local last = call('HGET', T .. 'leaders', name)
if not last then return 0 end
local epoch, untl = struct.unpack('>dd', last)
if untl <= now or epoch ~= term or string.sub(last, 17) ~= owner then return 0 end
call('HSET', T .. 'leaders', name, struct.pack('>dd', epoch, 0) .. owner)
return 1
