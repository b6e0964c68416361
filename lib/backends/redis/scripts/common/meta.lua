--- use: base
-- The queue's own record: counters (`n`), settings (`cfg`), key and text of the last policy (`lp`, `lt`), a `maxActive` that cut a claim short
-- (`cap`), the last retention rule per final state (`rc`, `rf`, `rx`), and when to look for work left undone (`left`, see left.lua).
local SCHEMA = 1
local CFG = '>BBBBBBBBBdd'
local meta = call('HMGET', KEYS[1], 'n', 'cfg', 'lp', 'cap', 'rc', 'rf', 'rx', 'lt', 'left')
local ord, fence = 0, 0
if meta[1] then ord, fence = struct.unpack('>dd', meta[1]) end
local startOrd, startFence = ord, fence
-- strategy: 0 none, 1 fifo, 2 lifo, 3 priority. behavior: 0 hold, 1 skip, 2 reject. held: something may be held. rated: somebody
-- claims with a rate.
local cfg = { v = SCHEMA, strategy = 0, paused = 0, disabled = 0, behavior = 0, declared = 0, held = 0, rated = 0, recorded = 0, maxHeld = 10000, version = 0 }
if meta[2] then
  cfg.v, cfg.strategy, cfg.paused, cfg.disabled, cfg.behavior, cfg.declared, cfg.held, cfg.rated, cfg.recorded, cfg.maxHeld,
    cfg.version =
    struct.unpack(CFG, meta[2])
  if cfg.v > SCHEMA then return redis.error_reply('OQRON_SCHEMA_TOO_NEW ' .. cfg.v) end
end
local rules = { c = meta[5], f = meta[6], x = meta[7] }
local rulesChanged = false
local cap = meta[4] and tonumber(meta[4])
local startCap = cap
local lastPolicy, lastRules = meta[3], meta[8]
local cfgChanged = false
-- What this call leaves for other slots is looked after so much later (ms): see left.lua.
local LOOK_MS, leaves = 2000, false

local function set(field, value)
  if cfg[field] ~= value then
    cfg[field] = value
    cfgChanged = true
  end
end

local function closed() return cfg.paused == 1 or cfg.disabled == 1 end

local function nextOrd()
  ord = ord + 1
  return ord
end

local function saveMeta()
  local w = {}
  if cap == nil and startCap ~= nil then call('HDEL', KEYS[1], 'cap') end
  if cap ~= nil and cap ~= startCap then w[#w + 1] = 'cap'; w[#w + 1] = cap end
  if ord ~= startOrd or fence ~= startFence then
    w[#w + 1] = 'n'
    w[#w + 1] = struct.pack('>dd', ord, fence)
  end
  if cfgChanged then
    w[#w + 1] = 'cfg'
    w[#w + 1] = struct.pack(CFG, cfg.v, cfg.strategy, cfg.paused, cfg.disabled, cfg.behavior, cfg.declared, cfg.held, cfg.rated,
      cfg.recorded, cfg.maxHeld, cfg.version)
  end
  if lastPolicy ~= meta[3] then
    w[#w + 1] = 'lp'
    w[#w + 1] = lastPolicy
    w[#w + 1] = 'lt'
    w[#w + 1] = lastRules
  end
  if rulesChanged then
    for _, s in ipairs({ 'c', 'f', 'x' }) do
      if rules[s] then w[#w + 1] = 'r' .. s; w[#w + 1] = rules[s] end
    end
  end
  if leaves and not meta[9] then w[#w + 1] = 'left'; w[#w + 1] = now + LOOK_MS end
  if #w > 0 then call('HSET', KEYS[1], unpack(w)) end
end
