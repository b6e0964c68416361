--- flags: no-writes
--- use: links
-- What stands behind ids of this slot: as parents of jobs in other slots (their last runs), and whether they exist. ARGV:
-- count, ids. Answers of each: u unknown, o unfinished, c f x finished; birth; id of the last run.
local n = num()
local ids, out = {}, {}
for i = 1, n do ids[i] = arg() end
prefetch(ids)
for i = 1, n do
  local j = load(ids[i])
  if j then
    j = lastRun(j)
    out[3 * i - 2], out[3 * i - 1], out[3 * i] = FINAL_OF[j.set] or 'o', j.birth, j.id
  else
    out[3 * i - 2], out[3 * i - 1], out[3 * i] = 'u', 0, ids[i]
  end
end
return out
