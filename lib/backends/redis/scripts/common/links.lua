--- use: finish
-- Dependencies. x field `P` of a child: { policy, queue, id, birth, ... } of its parents, in order. Hash q:<child>: the
-- parents that still hold it -> their birth. Hash k:<parent>: unfinished dependants -> policy and birth; zset n:<parent>:
-- children by name. A reference to a hidden parent (deduplication) begins with '!'. Births tell lives of an id apart.
-- Other slots are told by the outbox; everything here may come twice.
local MAX_CHILDREN, MAX_REPORTED = 1000, 1000
local FINAL_OF = { c = 'c', f = 'f', x = 'x', C = 'c', F = 'f', X = 'x' }
-- Jobs that failed because a parent did: id, head of the envelope (it has the name), coded error.
local cascaded = {}
-- Jobs whose parents in other slots must be linked.
local unlinked = {}

local function nameChild(parent, ref)
  local key = T .. 'n:' .. parent.id
  if parent.n == 1 then
    local count = call('ZCARD', key)
    if count >= MAX_CHILDREN then return end
    call('ZADD', key, 'NX', count, ref)
  else
    call('ZADD', key, 'NX', 0, ref)
    parent.n = 1
    touch(parent)
  end
end

-- A job that was run again because it had not completed is meant by its last run; one that completed counts as it is. Runs
-- only point forward.
local function lastRun(j)
  for _ = 1, 10000 do
    if j.x == 0 or not isFinal(j) or FINAL_OF[j.set] == 'c' then return j end
    local again = xget(j, 'rby')
    local nextJob = again and load(again)
    if not nextJob then return j end
    j = nextJob
  end
  return j
end

local function tie(parent, field, value)
  call('HSET', T .. 'k:' .. parent.id, field, value)
  if parent.k == 0 then
    parent.k = 1
    touch(parent)
  end
  keepBack(parent)
end

-- Lets `j` wait until `parent`, of the same queue, has ended in any way.
local function follow(j, parent)
  tie(parent, '!' .. refOf(QUEUE, j.id), 'i' .. string.format('%.0f', j.birth))
  call('HSET', T .. 'q:' .. j.id, '!' .. refOf(QUEUE, parent.id), parent.birth)
  j.q = 1
  xset(j, 'H', parent.id)
end

local function parentError(how, queue, id) return 'p' .. how .. refOf(queue, id) end

-- Links a new job to its parents. Answers why it must fail at once, if it must. `again`: it is the retry of a job, which
-- waits for unfinished parents and for nothing else.
local function attach(j, parents, again_)
  local policy = parents.policy
  local p, pending, foreign, fatal = { policy }, {}, {}, nil
  for i = 1, #parents do
    local ref = parents[i]
    local state, id, birth
    if ref.queue == QUEUE then
      local parent = load(ref.id)
      if parent then
        if not again_ then parent = lastRun(parent) end
        id, birth = parent.id, parent.birth
        state = FINAL_OF[parent.set] or 'o'
        tie(parent, refOf(QUEUE, j.id), policy .. string.format('%.0f', j.birth))
        nameChild(parent, refOf(QUEUE, j.id))
      else
        id, birth, state = ref.id, 0, 'r'
      end
    else
      id, birth = ref.last, ref.birth
      state = ref.state == 'u' and 'r' or ref.state
      foreign[#foreign + 1] = ref.queue
      foreign[#foreign + 1] = id
      foreign[#foreign + 1] = string.format('%.0f', birth)
    end
    p[#p + 1] = ref.queue
    p[#p + 1] = id
    p[#p + 1] = birth
    if again_ and state ~= 'o' and state ~= '' then state = 'c' end
    if state ~= 'c' and not (policy == 'i' and state ~= 'o' and state ~= '') then
      pending[#pending + 1] = refOf(ref.queue, id)
      pending[#pending + 1] = birth
    end
    if policy == 'f' and not fatal and (state == 'f' or state == 'x' or state == 'r') then
      fatal = parentError(state, ref.queue, id)
    end
  end
  xset(j, 'P', cmsgpack.pack(p))
  if #pending > 0 then
    many('HSET', T .. 'q:' .. j.id, pending)
  end
  j.q = 1
  if #foreign > 0 then
    -- A job that is added as failed is only named by its parents.
    j.bound = not fatal
    local mode = fatal and '-' or policy
    -- The policy of a retry counts only for what ends from now on.
    if again_ then mode = string.upper(mode) end
    local entry = { j.id, string.format('%.0f', j.birth), mode, unpack(foreign) }
    call('HSET', T .. 'u', entry[2], cmsgpack.pack(entry))
    unlinked[#unlinked + 1] = entry
  end
  return fatal
end

-- The dependant `field` of a certain birth needs its parent no more.
local function untie(parent, field, birth)
  local key = T .. 'k:' .. parent.id
  local value = call('HGET', key, field)
  if value and string.sub(value, 2) == birth then
    call('HDEL', key, field)
    if call('EXISTS', key) == 0 then letGo(parent) end
  end
end

-- A child needs its parents no more: they may be purged.
local function leaveParents(j)
  if j.q == 0 then return end
  call('UNLINK', T .. 'q:' .. j.id)
  local mine = string.format('%.0f', j.birth)
  local function leave(parentId, field)
    local parent = load(parentId)
    if parent and parent.k == 1 then untie(parent, field, mine) end
  end
  local links = j.links or { P = xget(j, 'P'), H = xget(j, 'H') }
  j.q = 0
  if not j.gone then touch(j) end
  if links.H then leave(links.H, '!' .. refOf(QUEUE, j.id)) end
  if not links.P then return end
  local p = cmsgpack.unpack(links.P)
  for i = 2, #p, 3 do
    if p[i] == QUEUE then leave(p[i + 1], refOf(QUEUE, j.id))
    elseif j.bound ~= false then send(p[i], 'U', p[i + 1], refOf(QUEUE, j.id), mine) end
  end
end

-- The pending fields of a child are gone: does that let it run?
local function headOf(j)
  return string.match(j.env or call('HGET', DATA, j.id) or '', '^[^\n]*')
end
local function maybeRelease(child)
  if child.set == 'b' and call('EXISTS', T .. 'q:' .. child.id) == 0 then admit(child) end
end

-- A parent of another slot has another id (it was run again), or its birth is known now. A child that does not wait for it
-- lets it go.
local function renameParent(child, id, birth, old, newId, newBirth)
  local queue, oldId = string.match(old, '^([^\n]*)\n(.*)$')
  local new = refOf(queue, newId)
  local mine = child and child.birth == birth and not isFinal(child)
  local key = T .. 'q:' .. id
  if not mine or call('HDEL', key, old) == 0 then
    if not mine or old ~= new then send(queue, 'U', newId, refOf(QUEUE, id), string.format('%.0f', birth)) end
    return
  end
  call('HSET', key, new, newBirth)
  if old == new then return end
  local p = cmsgpack.unpack(xget(child, 'P'))
  for i = 2, #p, 3 do
    if p[i] == queue and p[i + 1] == oldId then p[i + 1], p[i + 2] = newId, newBirth end
  end
  xset(child, 'P', cmsgpack.pack(p))
end

-- A parent of `child`, called `field` (with '!' where hidden), has ended.
local function parentEnded(child, field, how, policy)
  local key = T .. 'q:' .. child.id
  if child.q == 0 or isFinal(child) then return end
  if how == 'c' or policy == 'i' then
    if call('HDEL', key, field) == 1 then maybeRelease(child) end
  elseif policy == 'f' and call('HEXISTS', key, field) == 1 then
    local queue, id = string.match(field, '^([^\n]*)\n(.*)$')
    local err = parentError(how, queue, id)
    xset(child, 'error', err)
    finish(child, 'f')
    if #cascaded < 3 * MAX_REPORTED then
      cascaded[#cascaded + 1] = child.id
      cascaded[#cascaded + 1] = headOf(child)
      cascaded[#cascaded + 1] = err
    end
  end
end

local function tellDependants(j)
  local how = j.removed and 'r' or FINAL_OF[j.set] or 'r'
  local key = T .. 'k:' .. j.id
  local kids = j.kids or call('HGETALL', key)
  local me = refOf(QUEUE, j.id)
  for i = 1, #kids, 2 do
    local field, value = kids[i], kids[i + 1]
    local policy, birth = string.sub(value, 1, 1), string.sub(value, 2)
    local hidden = string.sub(field, 1, 1) == '!'
    if hidden then call('HDEL', key, field) end
    local queue, id = string.match(field, hidden and '^!([^\n]*)\n(.*)$' or '^([^\n]*)\n(.*)$')
    if queue == QUEUE then
      local child = load(id)
      if child and string.format('%.0f', child.birth) == birth then
        parentEnded(child, hidden and '!' .. me or me, how, policy)
      end
    else
      send(queue, 'E', id, birth, me, how, policy)
    end
  end
  if not j.gone and call('EXISTS', key) == 0 then letGo(j) end
end

-- Tells everybody whom the ended jobs concern. The list grows while it is walked: a cascade of any depth is a loop.
local function runLinks()
  local i = 1
  while i <= #ended do
    local j = ended[i]
    leaveParents(j)
    if j.k == 1 then tellDependants(j) end
    i = i + 1
  end
  ended = {}
end
