--- flags: no-writes
--- use: job
-- The other end of links, for a check. ARGV: count; then of each: id, its birth, field of the dependant or ''. Answers of
-- each: its set, '' where it is gone or another life; 1 where it knows the dependant.
local n = num()
local wanted, ids, out = {}, {}, {}
for i = 1, n do
  wanted[i] = { arg(), arg(), arg() }
  ids[i] = wanted[i][1]
end
prefetch(ids)
for i = 1, n do
  local id, birth, field = unpack(wanted[i])
  local j = load(id)
  if j and string.format('%.0f', j.birth) ~= birth then j = nil end
  out[2 * i - 1] = j and j.set or ''
  out[2 * i] = j and field ~= '' and call('HEXISTS', T .. 'k:' .. id, field) or 0
end
return out
