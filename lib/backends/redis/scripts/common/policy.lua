--- use: base meta
-- Lease policies: each distinct one is stored once; leases name it by its key.
-- 10 000 jobs; completed 24 h, failed and cancelled 7 days.
local DEFAULT_RULE = { c = '10000,86400000', f = '10000,604800000' }
local policies = {}

-- A lease policy: guaranteed;maxStalled;delay;maxDelay;completed;failed;default completed;default failed;dead letter
local function policyOf(key)
  if key == '' then return end
  local p = policies[key]
  if p == nil then
    local s = key == lastPolicy and lastRules or call('HGET', T .. 'pol', key)
    if s then
      local g, max, d, dmax, kc, kf, dc, df, dl = string.match(s, '^(%d);([^;]*);([^;]*);([^;]*);([^;]*);([^;]*);([^;]*);([^;]*);(.*)$')
      p = { guaranteed = g == '1', maxStalled = tonumber(max), delay = tonumber(d), maxDelay = tonumber(dmax),
        c = kc ~= '' and kc, f = kf ~= '' and kf, dc = dc, df = df, dead = dl ~= '' and dl }
    else
      p = false
    end
    policies[key] = p
  end
  return p or nil
end
