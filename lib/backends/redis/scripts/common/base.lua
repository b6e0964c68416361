-- What every script begins with: arguments, time, keys.
--
-- KEYS[1]  the `meta` key of the slot; all other keys of the slot are built from its hash tag
-- ARGV[1]  the queue's name
-- ARGV[2]  store time in ms (tests), or '' for the server's
-- ARGV[3]  prefix of the channels of processes
-- ARGV[4]  timeline entries that a job keeps
-- ARGV[5]  log lines that a job keeps
-- ARGV[6...] what the script takes; `arg()` reads on from there
local call = redis.call
local T = string.sub(KEYS[1], 1, -5)
local JOBS, DATA = T .. 'jobs', T .. 'data'
local QUEUE = ARGV[1]

local now, us
if ARGV[2] == '' then
  local t = call('TIME')
  us = t[1] * 1000000 + t[2]
  now = math.floor(us / 1000)
else
  now = tonumber(ARGV[2])
  us = now * 1000
end

local at = 5
local function arg()
  at = at + 1
  return ARGV[at]
end
local function num()
  at = at + 1
  return tonumber(ARGV[at])
end

-- Lua's stack holds about 8 000 values: longer lists are cut.
local CHUNK = 4000
local function many(command, key, list)
  local n = #list
  if n <= CHUNK then
    if n > 0 then call(command, key, unpack(list)) end
    return
  end
  for i = 1, n, CHUNK do call(command, key, unpack(list, i, math.min(i + CHUNK - 1, n))) end
end

-- Names a job in links: a queue's name has no line break.
local function refOf(queue, id) return queue .. '\n' .. id end
