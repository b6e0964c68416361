--- flags: allow-oom
--- use: job
-- Renews leases of one queue. ARGV: count, then id, fence, leaseMs of each. Answers k kept, l lost, c cancelled.
local n = num()
local leases, ids = {}, {}
for i = 1, n do
  leases[i] = { arg(), num(), num() }
  ids[i] = leases[i][1]
end
prefetch(ids)
local verdicts, add = {}, {}
for i = 1, n do
  local j = load(ids[i])
  if not j or j.fence ~= leases[i][2] then verdicts[i] = 'l'
  elseif j.set == 'x' or j.set == 'X' then verdicts[i] = 'c'
  elseif j.set ~= 'a' then verdicts[i] = 'l'
  else
    verdicts[i] = 'k'
    add[#add + 1] = now + leases[i][3]
    add[#add + 1] = memberOf(j.ord, j.id)
  end
end
many('ZADD', T .. 'a', add)
return verdicts
