--- use: commit
-- Leases: claim, and what becomes of those that expired.
local ON_THE_WAY, MAX_ITEMS, MAX_BYTES, MAX_WINDOWS = 100, 1000, 1048576, 4
local swept = {}

-- Takes back one expired lease.
local function stall(j)
  local owner, p = j.owner, policyOf(j.policy) or { guaranteed = true, maxStalled = 3, delay = 0, maxDelay = 0 }
  local err
  if not p.guaranteed then
    err = 'k' .. owner
  else
    j.attempt = j.attempt - 1
    j.stalled = j.stalled + 1
    note(j, 's', '', owner)
    if j.stalled > p.maxStalled then err = 's' .. j.stalled .. ':' .. p.maxStalled end
  end
  if err then
    xset(j, 'error', err)
    finish(j, 'f')
  else
    j.suspect = j.stalled >= p.maxStalled and 1 or 0
    local delay = 0
    if j.stalled > 1 then delay = math.min(p.delay * 2 ^ math.min(j.stalled - 2, 52), p.maxDelay) end
    later(j, delay, j.stalled > 1)
  end
  local n = #swept
  swept[n + 1], swept[n + 2], swept[n + 3] = j.id, j.fence, owner
  swept[n + 4], swept[n + 5], swept[n + 6] = err and 1 or 0, j.stalled, err or ''
end

-- Takes back at most `limit` expired leases; answers how many.
local function reap(limit)
  local members = call('ZRANGEBYSCORE', T .. 'a', '-inf', now, 'LIMIT', 0, limit)
  if #members == 0 then return 0 end
  local ids = {}
  for i = 1, #members do ids[i] = string.sub(members[i], 9) end
  prefetch(ids)
  for i = 1, #ids do stall(load(ids[i])) end
  return #ids
end

local function promoteDue(limit)
  local members = call('ZRANGEBYSCORE', T .. 'd', '-inf', now, 'LIMIT', 0, limit)
  local ids = {}
  for i = 1, #members do ids[i] = string.sub(members[i], 9) end
  prefetch(ids)
  for i = 1, #ids do toReady(load(ids[i]), true) end
  flush()
end

-- What a claimer wants: count, leaseMs, owner, policy key, policy, alone, maxActive, rate max, rate ms.
local function readClaim()
  local c = { count = num(), lease = num(), owner = arg(), policy = arg(), rules = arg(), alone = arg() == '1' }
  c.maxActive, c.rateMax, c.rateMs = num(), num(), num()
  if c.count > MAX_ITEMS then c.count = MAX_ITEMS end
  return c
end

-- Leases that began lately, by the spans that claims with a rate asked for, the last used at the end; each in about a
-- hundred parts: { span, end, n, end, n, ... }, oldest first.
local windows, windowsChanged

local function openWindows()
  if windows then return end
  local s = call('GET', T .. 'rate')
  windows = s and cmsgpack.unpack(s) or {}
  for i = 1, #windows do
    local w = windows[i]
    local kept, sum = { w[1] }, 0
    for p = 2, #w, 2 do
      if w[p] + w[1] > now then
        kept[#kept + 1] = w[p]
        kept[#kept + 1] = w[p + 1]
        sum = sum + w[p + 1]
      end
    end
    windows[i] = { parts = kept, sum = sum }
  end
end

-- The window of a span; one that is new begins empty.
local function windowOf(span)
  openWindows()
  local found
  for i = 1, #windows do
    if windows[i].parts[1] == span then
      found = table.remove(windows, i)
      break
    end
  end
  windows[#windows + 1] = found or { parts = { span }, sum = 0 }
  if #windows > MAX_WINDOWS then table.remove(windows, 1) end
  windowsChanged = true
  set('rated', 1)
  return windows[#windows]
end

-- Counts leases, whoever asked for them.
local function began(n)
  if cfg.rated == 0 then return end
  openWindows()
  for i = 1, #windows do
    local w = windows[i]
    if n > 0 then
      local parts, last = w.parts, #w.parts
      w.sum = w.sum + n
      local part = parts[1] / 100
      -- A clock that steps back counts as standing still.
      if last > 1 and now <= parts[last - 1] then
        parts[last] = parts[last] + n
      else
        parts[last + 1] = (math.floor(now / part) + 1) * part
        parts[last + 2] = n
      end
    end
  end
  if n > 0 then windowsChanged = true end
end

local function saveWindows()
  if not windowsChanged then return end
  local list = {}
  for i = 1, #windows do list[i] = windows[i].parts end
  call('SET', T .. 'rate', cmsgpack.pack(list))
  windowsChanged = false
end

-- Ms for which the rate allows nothing; -1 where it allows something.
local function retryAfter(w, max)
  local sum, parts = w.sum, w.parts
  if sum < max then return -1 end
  for i = 2, #parts, 2 do
    sum = sum - parts[i + 1]
    if sum < max then return math.max(1, math.ceil(parts[i] + parts[1] - now)) end
  end
  return math.ceil(parts[1])
end

local function pop(key, count) return call(cfg.strategy == 2 and 'ZPOPMAX' or 'ZPOPMIN', key, count) end

-- Leases up to c.count jobs. Answers them.
local function pick(c)
  local taken = {}
  local count = c.count
  if c.rateMax then count = math.max(0, math.min(count, c.rateMax - windowOf(c.rateMs).sum)) end
  if c.maxActive then
    local active = call('ZCARD', T .. 'a')
    cap = nil
    if active + count > c.maxActive then
      cap = c.maxActive
      count = math.max(0, c.maxActive - active)
    end
  end
  local function lease(j)
    fence = math.max(fence + 1, us)
    j.fence = fence
    j.policy = c.policy
    j.owner = c.owner
    j.attempt = j.attempt + 1
    j.started = now
    j.set = 'a'
    j.score = now + c.lease
    touch(j)
    taken[#taken + 1] = j
  end
  if count > 0 and c.alone then
    local first = pop(T .. 's', 1)
    if #first > 0 then
      local j = load(string.sub(first[1], 9))
      j.at = nil
      lease(j)
      count = 0
    end
  end
  if count > 0 then
    local popped = pop(T .. 'w', count)
    local ids = {}
    for i = 1, #popped, 2 do ids[#ids + 1] = string.sub(popped[i], 9) end
    prefetch(ids)
    local bytes, last = 0, #ids
    for i = 1, #ids do
      local j = load(ids[i])
      bytes = bytes + j.size
      if i > 1 and bytes > MAX_BYTES then
        last = i - 1
        break
      end
      j.at = nil
      lease(j)
    end
    if last < #ids then
      local back = {}
      for i = last + 1, #ids do
        back[#back + 1] = popped[2 * i]
        back[#back + 1] = popped[2 * i - 1]
      end
      many('ZADD', T .. 'w', back)
    end
  end
  began(#taken)
  if #taken > 0 and lastPolicy ~= c.policy then
    call('HSETNX', T .. 'pol', c.policy, c.rules)
    lastPolicy, lastRules = c.policy, c.rules
  end
  return taken
end

-- What a process gets to run: id, envelope, createdAt. The fences of a claim count on from its first one; a job with more
-- to say, or of `again`, has a list in the third place: fence, attempt, stalled, priority, createdAt, runAt,
-- unknownNameSince, progress, queue and id of each parent.
local function describe(jobs, again_)
  local ids, out = {}, {}
  for i = 1, #jobs do ids[i] = jobs[i].id end
  local n = 0
  for i = 1, #ids, CHUNK do
    local envs = call('HMGET', DATA, unpack(ids, i, math.min(i + CHUNK - 1, #ids)))
    for e = 1, #envs do
      local j = jobs[i + e - 1]
      local third = j.created
      if again_ or j.x == 1 or j.attempt > 1 or j.stalled > 0 or j.prio > 0 or j.runAt > j.created or j.unknown > 0 then
        third = { j.fence, j.attempt, j.stalled, j.prio, j.created, j.runAt, j.unknown, '' }
        if j.x == 1 then
          local x = call('HMGET', T .. 'x:' .. j.id, 'progress', 'P')
          third[8] = x[1] or ''
          local parents = x[2] and cmsgpack.unpack(x[2]) or {}
          for p = 2, #parents, 3 do
            third[#third + 1] = parents[p]
            third[#third + 1] = parents[p + 1]
          end
        end
      end
      out[n + 1], out[n + 2], out[n + 3] = j.id, envs[e] or '', third
      n = n + 3
    end
  end
  return out
end

-- A whole claim, without the end of the transition. Answers the leased jobs and the head of the reply.
local function claim(c)
  reap(ON_THE_WAY)
  settleAll()
  local taken = {}
  if not closed() then
    unhold(ON_THE_WAY)
    flush()
    promoteDue(math.max(c.count, ON_THE_WAY))
    taken = pick(c)
  end
  -- The claimer is busy when it got all it asked for; otherwise it waits for the next job of this queue.
  if #taken >= c.count then
    call('ZREM', T .. 'idle', c.owner)
  else
    call('ZADD', T .. 'idle', now, c.owner)
  end
  readied = math.max(0, readied - #taken)
  flush()
  -- A claimer that waits for more sleeps until the next due job itself.
  if #taken < c.count then sooner = false end
  local nextDue
  if not closed() then
    if cfg.held == 1 and call('ZCARD', T .. 'h') > 0 then nextDue = 0 end
    local due = call('ZRANGE', T .. 'd', 0, 0, 'WITHSCORES')[2]
    if due then nextDue = math.min(nextDue or math.huge, math.max(0, tonumber(due) - now)) end
  end
  local expiry = call('ZRANGE', T .. 'a', 0, 0, 'WITHSCORES')[2]
  if expiry then nextDue = math.min(nextDue or math.huge, math.max(0, tonumber(expiry) - now)) end
  local retry = c.rateMax and retryAfter(windowOf(c.rateMs), c.rateMax) or -1
  saveWindows()
  return taken, {
    now, nextDue and math.ceil(nextDue) or -1, closed() and 1 or 0, retry,
    call('ZCARD', T .. 's'), taken[1] and taken[1].fence or 0,
  }
end

-- The reply of a claim, and its record for a resend: the first fence, from which the others count on, and the ids; never
-- payloads.
local function claimReply(taken, head)
  local ids = {}
  if #taken > 0 then ids[1] = taken[1].fence end
  for i = 1, #taken do ids[i + 1] = taken[i].id end
  return { head, swept, cascaded, describe(taken) }, { head, swept, cascaded, ids }
end

-- The reply once more: payloads are read anew, leases that no longer hold are left out.
local function claimAgain(record)
  local ids, jobs = record[4], {}
  for i = 2, #ids do
    local j = load(ids[i])
    if j and j.set == 'a' and j.fence == ids[1] + i - 2 then jobs[#jobs + 1] = j end
  end
  return { record[1], record[2], record[3], describe(jobs, true) }
end
