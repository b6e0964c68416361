--- use: base
-- Replies that a client may ask for again (rule 4). Arguments: client, n, acked.
-- A hash per client: `a` = confirmed up to, `<n>` = the reply of call n, `x<n>` what it did elsewhere, `e` = when its expiry
-- was set. The key expires by the server's own clock, long
-- after the 60 s of the rule: that is garbage collection, no logic hangs on it.
local CALL_GARBAGE_MS, CALL_REFRESH_MS = 300000, 60000
local client, callN, acked = arg(), num(), num()
local CALLS = T .. 'c:' .. client
local seen = call('HMGET', CALLS, 'a', callN, 'x' .. ARGV[at - 1], 'e')
local wasAcked = tonumber(seen[1] or 0)
if acked < wasAcked then acked = wasAcked end

-- Once a minute will do: the key outlives the last call by four at least.
local function stayAlive()
  local last = seen[4] and tonumber(seen[4])
  if last and now - last < CALL_REFRESH_MS and now >= last then return end
  call('HSET', CALLS, 'e', now)
  call('PEXPIRE', CALLS, CALL_GARBAGE_MS)
end

-- What the client confirmed counts whatever becomes of this call.
local function confirm()
  if acked == wasAcked then return end
  call('HSET', CALLS, 'a', acked)
  stayAlive()
end

if callN <= acked then
  confirm()
  return { 'refused', acked }
end
-- The reply of the first time, or nil.
local again = seen[2] and cmsgpack.unpack(seen[2])
-- What the call did in other slots, as far as anybody noted it: see more.lua.
local againMore = seen[3] and cmsgpack.unpack(seen[3]) or {}

-- Confirmed replies go in steps of so many: a removal with each call would cost more than it saves.
local STEP = 8

local function remember(record)
  if acked > wasAcked then
    local first, last = wasAcked - wasAcked % STEP, acked - acked % STEP
    if last > first then
      local old = {}
      -- No reply is kept for a call more than 16 ahead of what was confirmed.
      for n = first + 1, math.min(last, first + 64) do
        old[#old + 1] = n
        old[#old + 1] = 'x' .. n
      end
      call('HDEL', CALLS, unpack(old))
    end
    call('HSET', CALLS, 'a', acked, callN, cmsgpack.pack(record))
  else
    call('HSET', CALLS, callN, cmsgpack.pack(record))
  end
  stayAlive()
end
