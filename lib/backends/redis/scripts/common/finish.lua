--- use: meta job place outbox dedup policy
-- The one end of every job (rule 7): retention, dead letters, deduplication keys; dependants are told by `runLinks`.
local STATE_RULE = { c = 'c', f = 'f', x = 'f' }
-- Jobs with ties that have ended, for `runLinks`.
local ended = {}
-- Finished jobs that this call may still remove.
local trimLeft = 100
-- Trimming that is still to do: state -> rule.
local trims = {}

-- The rule for a job that just reached `state`, and whether its own one counted: 'count,ageMs', '' in a place = no bound.
local function ruleFor(j, state)
  local s = STATE_RULE[state]
  local from, own
  if j.keep ~= '' then
    local c, f = string.match(j.keep, '^([^;]*);(.*)$')
    local r = s == 'c' and c or f
    if r ~= '' then from, own = string.sub(r, 1, 1), string.sub(r, 2) end
  end
  local p = policyOf(j.policy)
  local rule
  if from == 'j' then rule = own
  else rule = (p and p[s]) or own or (p and p['d' .. s]) or DEFAULT_RULE[s] end
  if state == 'x' and string.sub(rule, 1, 2) == '0,' then rule = DEFAULT_RULE.f end
  return rule, from == 'j'
end

-- Deletes the record. Fences of the queue go on growing, so a later job of this id can't be mistaken for it.
local function forget(j)
  if j.dk == 1 then freeKey(j, true) end
  -- What `runLinks` reads of it may be deleted by then.
  if j.q == 1 then j.links = { P = xget(j, 'P'), H = xget(j, 'H') } end
  if not isFinal(j) and (j.k == 1 or j.q == 1) then
    j.removed = true
    if j.k == 1 then j.kids = call('HGETALL', T .. 'k:' .. j.id) end
    ended[#ended + 1] = j
  end
  j.gone = true
  touch(j)
end

local function trimState(state, rule)
  local count, age = string.match(rule, '^([^,]*),(.*)$')
  local key = T .. state
  local ids = {}
  if age ~= '' and trimLeft > 0 then
    local old = call('ZRANGEBYSCORE', key, '-inf', now - tonumber(age), 'LIMIT', 0, trimLeft)
    for i = 1, #old do ids[i] = string.sub(old[i], 9) end
  end
  if count ~= '' and #ids < trimLeft then
    local extra = call('ZCARD', key) - tonumber(count)
    if extra > #ids then
      local over = call('ZRANGE', key, #ids, math.min(extra, trimLeft) - 1)
      for i = 1, #over do ids[#ids + 1] = string.sub(over[i], 9) end
    end
  end
  trimLeft = trimLeft - #ids
  prefetch(ids)
  for i = 1, #ids do
    local j = load(ids[i])
    if j then forget(j) end
  end
  return #ids
end

local function runTrims()
  if next(trims) == nil then return end
  flush()
  for state, rule in pairs(trims) do trimState(state, rule) end
  trims = {}
  flush()
end

local function retain(j, state)
  local rule, own = ruleFor(j, state)
  if string.sub(rule, 1, 2) == '0,' then return forget(j) end
  -- A job's own rule is for now; what the definitions say goes on holding while the queue rests.
  if not own and rules[state] ~= rule then
    rules[state] = rule
    rulesChanged = true
  end
  if trims[state] ~= rule then
    -- One rule after the other, in the order of the endings.
    if trims[state] then runTrims() end
    trims[state] = rule
  end
end

-- Nobody unfinished depends on a finished job any more: retention applies.
local function letGo(j)
  j.k = 0
  touch(j)
  local s = j.set
  if s ~= 'C' and s ~= 'F' and s ~= 'X' then return end
  j.set = string.lower(s)
  j.score = j.finished
  retain(j, j.set)
end

-- Somebody unfinished depends on a finished job: it stays until `letGo`.
local function keepBack(j)
  local s = j.set
  if s ~= 'c' and s ~= 'f' and s ~= 'x' then return end
  j.set = string.upper(s)
  j.score = j.finished
  touch(j)
end

local addDeadLetter

local function finish(j, state)
  j.finished = now
  if j.dk == 1 then freeKey(j, false) end
  if state == 'f' then
    local p = policyOf(j.policy)
    if p and p.dead then
      j.dead = 1
      if p.dead ~= '=' then addDeadLetter(j, string.sub(p.dead, 2)) end
    end
  end
  if j.k == 1 or j.q == 1 then ended[#ended + 1] = j end
  j.ord = nextOrd()
  j.score = now
  j.rescored = true
  touch(j)
  if j.k == 1 then
    j.set = string.upper(state)
  else
    j.set = state
    retain(j, state)
  end
end
