--- flags: allow-oom
--- use: base
-- Asks to lead, or renews the term. ARGV: name, owner, ttlMs. Answers 1 and the epoch, or 0, who leads, and for how long.
-- `leaders` holds of each name (epoch, until, owner); an entry stays when its term has ended, because of its epoch.
local name, owner, ttl = arg(), arg(), num()
local last = call('HGET', T .. 'leaders', name)
local epoch, untl, leader = 0, 0, nil
if last then
  epoch, untl = struct.unpack('>dd', last)
  leader = string.sub(last, 17)
end
local live = untl > now
if live and leader ~= owner then return { 0, leader, untl - now } end
if not live then epoch = math.max(epoch + 1, us) end
call('HSET', T .. 'leaders', name, struct.pack('>dd', epoch, now + ttl) .. owner)
return { 1, epoch }
