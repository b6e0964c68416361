--- flags: no-writes
--- use: base
-- Which ids have a record. ARGV: ids. Answers 1 or 0 of each.
local out = {}
for i = at + 1, #ARGV, CHUNK do
  local found = call('HMGET', JOBS, unpack(ARGV, i, math.min(i + CHUNK - 1, #ARGV)))
  for f = 1, #found do out[#out + 1] = found[f] and 1 or 0 end
end
return out
