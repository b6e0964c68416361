--- flags: allow-oom
--- use: calls commit
-- Deletes jobs of the queue. ARGV after the call: at most, force. Answers { { deleted }, work, unlinked }.
if again then return { again, workLeft(), {}, againMore } end
local limit, force = num(), arg() == '1'
local removed = 0
local sets = { 'w', 's', 'd', 'b', 'h', 'c', 'f', 'x', 'C', 'F', 'X' }
if force then sets[#sets + 1] = 'a' end
for _, s in ipairs(sets) do
  while removed < limit do
    local members = call('ZRANGE', T .. s, 0, math.min(limit - removed, 1000) - 1)
    if #members == 0 then break end
    local ids = {}
    for i = 1, #members do ids[i] = string.sub(members[i], 9) end
    prefetch(ids)
    for i = 1, #ids do
      local j = load(ids[i])
      if j then forget(j) else call('ZREM', T .. s, members[i]) end
    end
    removed = removed + #ids
    -- Dependants are told at the end: one that is let go now would stand in a set that has been emptied before.
    flush()
  end
end
commit()
remember({ removed })
return { { removed }, work(), unlinked }
