--- use: job place
-- Deduplication keys: hash `dk` key -> who stands for it; zset `dz` by expiry.
local FORGET_PER_ADD = 10

local function dropKey(key)
  call('HDEL', T .. 'dk', key)
  call('ZREM', T .. 'dz', key)
end

-- { id, birth, throttle, until (-1: none), set, created, runAt, id and birth of the job that it waits for by `keep-last`,
-- or '' and 0: that one stands for the key again when this one goes first }
local function entryOf(key)
  local s = call('HGET', T .. 'dk', key)
  if not s then return end
  local e = cmsgpack.unpack(s)
  local j = load(e[1])
  if j and j.birth == e[2] then e.job = j end
  return e
end

-- How a new job with this key stands to the one that holds it: 'stands' entry, 'replace' entry, 'after' entry, or nil.
local function judge(key, mode)
  local e = entryOf(key)
  if e and e[4] >= 0 and e[4] <= now then
    dropKey(key)
    return
  end
  if not e then return end
  if mode == 't' then
    if e[3] == 1 then return 'stands', e end
    return
  end
  local j = e.job
  if not j or isFinal(j) then return end
  if mode == 'w' then return 'stands', e end
  if j.set ~= 'a' then return 'replace', e end
  if mode == 'k' then return 'after', e end
end

local function forgetExpired(limit)
  local keys = call('ZRANGEBYSCORE', T .. 'dz', '-inf', now, 'LIMIT', 0, limit)
  if #keys > 0 then
    call('ZREM', T .. 'dz', unpack(keys))
    call('HDEL', T .. 'dk', unpack(keys))
  end
  return #keys
end

local function enter(j, key, throttle, untilMs, behind)
  call('HSET', T .. 'dk', key, cmsgpack.pack({
    j.id, j.birth, throttle, untilMs, j.set or 'w', j.created, j.runAt, behind and behind.id or '', behind and behind.birth or 0,
  }))
  if untilMs >= 0 then call('ZADD', T .. 'dz', untilMs, key) else call('ZREM', T .. 'dz', key) end
end

-- The job stands for the key from now on. `behind`: the one that it waits for.
local function hold(j, key, mode, ttl, behind)
  enter(j, key, mode == 't' and 1 or 0, ttl and now + ttl or -1, behind)
  j.dk = 1
  xset(j, 'k', key)
  forgetExpired(FORGET_PER_ADD)
end

-- The job has ended (`gone`: its record goes): its key is free, unless it is throttled.
local function freeKey(j, gone)
  local key = xget(j, 'k')
  if not key then return end
  local e = entryOf(key)
  if not e or e[1] ~= j.id or e[2] ~= j.birth then return end
  if e[3] == 0 then
    dropKey(key)
    local behind = e[8] ~= '' and load(e[8])
    if behind and behind.birth == e[9] and not isFinal(behind) then enter(behind, key, 0, e[4]) end
  elseif gone then
    -- A throttled key answers for the job that it remembers.
    e.job = nil
    e[5], e[6], e[7] = j.set, j.created, j.runAt
    call('HSET', T .. 'dk', key, cmsgpack.pack(e))
  end
end
