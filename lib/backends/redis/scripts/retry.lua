--- flags: allow-oom
--- use: calls commit
-- Runs a finished job again, as a new one. ARGV after the call: id, new id, states that it may be in (letters as in
-- common/job.lua). Answers { { verdict, set, retriedById }, work, unlinked }.
if again then return { again, workLeft(), {}, againMore } end
local id, newId, states = arg(), arg(), arg()
local old = load(id)
local reply
local by = old and xget(old, 'rby')
if not old then
  reply = { 'unknown' }
elseif by or load(newId) or not string.find(states, string.lower(old.set), 1, true) then
  reply = { 'refused', old.set, by or '' }
else
  local P = xget(old, 'P')
  local j = create({ id = newId, env = call('HGET', DATA, id), prio = old.prio, size = old.size, delay = 0, keep = old.keep },
    nil, { rfrom = id })
  xset(old, 'rby', newId)
  -- The new job waits for the parents of the old one that have not finished, and for nothing else.
  if P then
    local p = cmsgpack.unpack(P)
    local parents = { policy = p[1] }
    for i = 2, #p, 3 do
      parents[#parents + 1] = { queue = p[i], id = p[i + 1], state = '', birth = p[i + 2], last = p[i + 1] }
    end
    attach(j, parents, true)
  end
  -- Dependants that still wait for the old job wait for the new one.
  if old.k == 1 and old.set ~= 'C' then
    local key = T .. 'k:' .. id
    local kids = call('HGETALL', key)
    for i = 1, #kids, 2 do
      local field, value = kids[i], kids[i + 1]
      local policy, birth = string.sub(value, 1, 1), string.sub(value, 2)
      if policy == 'b' then
        local queue, childId = string.match(field, '^([^\n]*)\n(.*)$')
        local waits = true
        if queue == QUEUE then
          local child = load(childId)
          waits = child and string.format('%.0f', child.birth) == birth and child.q == 1
            and call('HEXISTS', T .. 'q:' .. childId, refOf(QUEUE, id)) == 1
          if waits then renameParent(child, childId, child.birth, refOf(QUEUE, id), newId, j.birth) end
        else
          send(queue, 'R', childId, birth, refOf(QUEUE, id), newId, string.format('%.0f', j.birth))
        end
        if waits then
          call('HDEL', key, field)
          tie(j, field, value)
          nameChild(j, field)
        end
      end
    end
    if call('EXISTS', key) == 0 then letGo(old) end
  end
  if j.q == 1 and j.set ~= 'h' and isHeldBack(j) then admit(j) end
  reply = { 'done' }
end
commit()
remember(reply)
return { reply, work(), unlinked }
