--- flags: allow-oom
--- use: commit
-- Ties children of other slots to parents of this one. ARGV: count; then of each: parent, its birth or 0, child's queue,
-- child, its birth, policy ('-': only its name; upper case: of a retry). Answers of each: id (of its last run), birth, how (o unfinished,
-- c f x finished, r gone).
local out = {}
for _ = 1, num() do
  local id, birth, queue, childId, childBirth, policy = arg(), num(), arg(), arg(), arg(), arg()
  local j = load(id)
  if j and birth > 0 and j.birth ~= birth then j = nil end
  if j then
    if policy == string.lower(policy) then j = lastRun(j) end
    local ref = refOf(queue, childId)
    if policy ~= '-' then tie(j, ref, string.lower(policy) .. childBirth) end
    nameChild(j, ref)
    out[#out + 1] = j.id
    out[#out + 1] = j.birth
    out[#out + 1] = FINAL_OF[j.set] or 'o'
  else
    out[#out + 1] = id
    out[#out + 1] = birth
    out[#out + 1] = 'r'
  end
end
commit()
return out
