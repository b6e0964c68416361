--- use: base
-- What has to happen in other slots. An entry is numbered; the number grows with time, also when a failover lost some,
-- so that the receiver can tell what it has applied already.
local outSeq
local outbox = {}

local function send(queue, ...)
  if not outSeq then
    local last = call('ZRANGE', T .. 'out', -1, -1, 'WITHSCORES')
    local sent = tonumber(call('HGET', KEYS[1], 'os') or 0)
    outSeq = math.max(us, sent, tonumber(last[2] or 0))
  end
  outSeq = outSeq + 1
  outbox[#outbox + 1] = outSeq
  outbox[#outbox + 1] = cmsgpack.pack({ string.format('%.0f', outSeq), queue, ... })
end

local function saveOutbox()
  if #outbox == 0 then return end
  many('ZADD', T .. 'out', outbox)
  call('HSET', KEYS[1], 'os', string.format('%.0f', outSeq))
  outbox = {}
end
