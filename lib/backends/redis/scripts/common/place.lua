--- use: meta job
-- Where unfinished jobs go.
local function toReady(j, newOrd)
  if newOrd then j.ord = nextOrd() end
  j.set = j.suspect == 1 and 's' or 'w'
  j.score = cfg.strategy == 3 and j.prio or 0
  j.rescored = true
  j.owner = ''
  readied = readied + 1
  touch(j)
end

local function toDelayed(j, runAt)
  j.ord = nextOrd()
  j.runAt = runAt
  j.set = 'd'
  j.score = runAt
  j.rescored = true
  j.owner = ''
  touch(j)
end

-- Back to waiting, now or after a delay.
local function later(j, delay, newOrd)
  j.runAt = now + delay
  if delay > 0 then toDelayed(j, j.runAt) else toReady(j, newOrd) end
end

-- Does a parent still hold it?
local function isHeldBack(j) return j.q == 1 and call('EXISTS', T .. 'q:' .. j.id) == 1 end

-- Puts a job that nothing has started where it belongs.
local function admit(j)
  if isHeldBack(j) then
    j.ord = nextOrd()
    j.set = 'b'
    j.score = 0
    touch(j)
  elseif j.runAt > now then
    toDelayed(j, j.runAt)
  else
    j.runAt = now
    toReady(j, true)
  end
end

-- Sets when a job that has not started may run. What waits for something else goes on waiting for it.
local function postpone(j, runAt)
  if j.set == 'b' or j.set == 'h' then
    j.runAt = math.max(now, runAt)
    touch(j)
  else
    later(j, math.max(0, runAt - now), true)
  end
end

-- Lets go of at most `limit` held jobs, oldest first.
local function unhold(limit)
  if cfg.held == 0 or cfg.disabled == 1 then return end
  local members = call('ZRANGE', T .. 'h', 0, limit - 1)
  local ids = {}
  for i = 1, #members do ids[i] = string.sub(members[i], 9) end
  prefetch(ids)
  for i = 1, #ids do
    local j = load(ids[i])
    note(j, 'h', '', 'until the queue was enabled')
    admit(j)
  end
  if #members < limit then set('held', 0) end
end

-- Gives a job that has not started another payload, and perhaps another name (both in `env`).
local function rewrite(j, env, size)
  note(j, 'u', '', '')
  j.env = env
  j.size = size
end
