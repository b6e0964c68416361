--- flags: allow-oom
--- use: commit
-- Applies what another slot's outbox holds for this one. ARGV: the sending slot; count; then number, type, arguments of
-- each. hash `in`: the last number applied of each sender, which never expires, so that nothing is applied twice.
--   J a job to add (see common/create.lua) · D a dead letter: id, envelope, priority, origin, error
--   E a parent ended: child, its birth, parent, how, policy · U a child needs its parent no more: parent, child, its birth
--   R a parent was run again: child, its birth, old parent, new id, new birth
-- Answers { cascaded, work, unlinked }.
local source = arg()
local last = tonumber(call('HGET', T .. 'in', source) or 0)
local newest = last

for _ = 1, num() do
  local seq, kind = num(), arg()
  local fresh = seq > last
  if seq > newest then newest = seq end
  if kind == 'J' then
    local input = readJob()
    if fresh then addAlways(input) end
  elseif kind == 'D' then
    local id, env, prio, origin, err = arg(), arg(), num(), arg(), arg()
    if fresh and not load(id) then
      create({ id = id, env = env, prio = prio, size = #env, delay = 0, keep = '' }, nil,
        { origin = origin, error = err ~= '' and err or nil })
    end
  elseif kind == 'E' then
    local id, birth, parent, how, policy = arg(), num(), arg(), arg(), arg()
    local child = fresh and load(id)
    if child and child.birth == birth then parentEnded(child, parent, how, policy) end
  elseif kind == 'U' then
    local id, field, birth = arg(), arg(), arg()
    local parent = fresh and load(id)
    if parent and parent.k == 1 then untie(parent, field, birth) end
  elseif kind == 'R' then
    local id, birth, old, newId, newBirth = arg(), num(), arg(), arg(), num()
    if fresh then renameParent(load(id), id, birth, old, newId, newBirth) end
  end
  if #ended > 0 then runLinks() end
end
commit()
call('HSET', T .. 'in', source, string.format('%.0f', newest))
return { cascaded, work(), unlinked }
