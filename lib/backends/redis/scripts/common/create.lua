--- use: finish links
-- New jobs. As arguments: id, envelope, options; '' = none. Options: priority,size,delay,runAt,keep,flags with flags
-- d = key, mode, ttl follow; p = policy and parents follow.
local NO_OPTIONS = { prio = 0, size = 0, delay = 0, keep = '' }

local function readJob()
  local id, env, opts = arg(), arg(), arg()
  if opts == '' then
    return { id = id, env = env, prio = 0, size = #env, delay = 0, keep = '' }
  end
  local prio, delay, runAt, keep, flags = string.match(opts, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  local job = { id = id, env = env, prio = tonumber(prio), size = #env, delay = tonumber(delay), runAt = tonumber(runAt), keep = keep }
  if string.find(flags, 'd', 1, true) then
    job.dedup = { key = arg(), mode = arg(), ttl = tonumber(arg()) }
  end
  if string.find(flags, 'p', 1, true) then
    local parents = { policy = arg() }
    -- Each: queue, id; for another queue what was found there: '' not asked, u unknown, o unfinished, c f x finished;
    -- its birth, and its id where it was run again.
    for i = 1, num() do
      local queue, pid, state, birth, last = arg(), arg(), arg(), tonumber(arg()), arg()
      parents[i] = { queue = queue, id = pid, state = state, birth = birth or 0, last = last ~= '' and last or pid }
    end
    job.parents = parents
  end
  return job
end

-- `after`: the job of this queue that must have ended before. `more`: fields of the wide part.
local function create(input, after, more)
  if J[input.id] and J[input.id].gone then flush() end
  local birth = nextOrd()
  local runAt = input.runAt or now + input.delay
  local j = {
    id = input.id, set = nil, suspect = 0, dead = 0, x = 0, l = 0, t = 0, r = 0, k = 0, q = 0, n = 0, dk = 0,
    prio = input.prio, attempt = 0, stalled = 0, size = input.size, ord = birth, birth = birth, fence = 0, settled = 0,
    created = now, runAt = runAt > now and runAt or now, started = 0, finished = 0, unknown = 0, owner = '', policy = '',
    keep = input.keep, at = nil, atOrd = birth, score = 0, dirty = false, gone = false, tail = '', env = input.env,
  }
  J[input.id] = j
  set('recorded', 1)
  if more then
    for field, value in pairs(more) do xset(j, field, value) end
  end
  local d = input.dedup
  if d then hold(j, d.key, d.mode, d.ttl, after) end
  if after then follow(j, after) end
  local fatal = input.parents and attach(j, input.parents)
  if fatal then
    xset(j, 'error', fatal)
    finish(j, 'f')
  elseif cfg.disabled == 1 then
    j.ord = nextOrd()
    j.set = 'h'
    set('held', 1)
    touch(j)
  else
    admit(j)
  end
  return j
end

-- What stands when the id, or the key, is taken: a job, or the snapshot of a removed one. Else nil and the job that the
-- new one must wait for, if any.
local function standing(input)
  local same = load(input.id)
  if same then return same end
  local d = input.dedup
  if not d then return end
  local verdict, e = judge(d.key, d.mode)
  if verdict == 'stands' then
    return e.job or { id = e[1], set = e[5], created = e[6], runAt = e[7] }
  end
  if verdict == 'after' then return nil, e.job end
  if verdict ~= 'replace' then return end
  local j = e.job
  rewrite(j, input.env, input.size)
  if d.mode == 'd' then
    postpone(j, input.runAt or now + input.delay)
    hold(j, d.key, d.mode, d.ttl)
  end
  return j
end

-- Adds a job that must not get lost: a follow-up, a dead letter. A disabled queue holds it whatever it does otherwise.
local function addAlways(input, more)
  local there, after = standing(input)
  if not there then return create(input, after, more) end
end

-- The fence makes it one copy for each failure: an id may fail again in a later life.
addDeadLetter = function(j, to)
  local input = { id = QUEUE .. '/' .. string.format('%.0f', j.fence), env = j.env or call('HGET', DATA, j.id), prio = j.prio,
    size = j.size, delay = 0, keep = '' }
  local more = { origin = refOf(QUEUE, j.id), error = xget(j, 'error') or nil }
  if to ~= QUEUE then
    send(to, 'D', input.id, input.env, input.prio, more.origin, more.error or '')
  elseif not load(input.id) then
    create(input, nil, more)
  end
end
