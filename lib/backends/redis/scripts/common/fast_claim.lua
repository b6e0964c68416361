--- use: calls meta wake
-- The ordinary claim: nothing has expired, nothing is due, no limits, no suspects to hand out. Answers its reply and record,
-- or nothing, and then nothing was changed and nothing read from the arguments.
local function fastClaim()
  local count, leaseMs, owner = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  if ARGV[at + 7] ~= '' or ARGV[at + 8] ~= '' or cfg.rated == 1 or cfg.held == 1 then return end
  local expiry = call('ZRANGE', T .. 'a', 0, 0, 'WITHSCORES')[2]
  expiry = expiry and tonumber(expiry)
  if expiry and expiry <= now then return end
  local open = not closed()
  local due = open and call('ZRANGE', T .. 'd', 0, 0, 'WITHSCORES')[2]
  due = due and tonumber(due)
  if due and due <= now then return end
  local suspects = call('ZCARD', T .. 's')
  if suspects > 0 and ARGV[at + 6] == '1' then return end
  if count > 1000 then count = 1000 end

  local popped = {}
  if open and count > 0 then popped = call(cfg.strategy == 2 and 'ZPOPMAX' or 'ZPOPMIN', T .. 'w', count) end
  local out, leases = {}, {}
  local n = #popped / 2
  if n > 0 then
    local policy = ARGV[at + 4]
    local pack, unpackRecord, sub = struct.pack, struct.unpack, string.sub
    local ids, records, active = {}, {}, {}
    for i = 1, n do ids[i] = sub(popped[2 * i - 1], 9) end
    local found = call('HMGET', JOBS, unpack(ids))
    local bytes, last = 0, n
    local until_ = string.format('%.17g', now + leaseMs)
    local wide = {}
    local NONE = string.rep('\0', 10)
    local behind = pack('>dddBc0Bc0B', now, 0, 0, #owner, owner, #policy, policy, 0)
    for i = 1, n do
      local id, s = ids[i], found[i]
      local record, told
      fence = math.max(fence + 1, us)
      if string.byte(s) == 110 then
        local size, o, created = unpackRecord(NEW, s, 2)
        bytes = bytes + size
        record = 'a' .. NONE .. pack('>I4I4I4I4dddddd', 0, 1, 0, size, o, o, fence, 0, created, created) .. behind
        told = created
      else
        local _, suspect, dead, x, l, t, r, k, q, nn, dk, prio, attempt, stalled, size, o, birth, _, settled, created, runAt, _,
          finished, unknown, _, _, keep, rest = unpackRecord(FMT, s)
        bytes = bytes + size
        attempt = attempt + 1
        record = pack(FMT, 'a', suspect, dead, x, l, t, r, k, q, nn, dk, prio, attempt, stalled, size, o, birth, fence, settled,
          created, runAt, now, finished, unknown, #owner, owner, #policy, policy, #keep, keep) .. sub(s, rest)
        told = created
        if x == 1 or attempt > 1 or stalled > 0 or prio > 0 or runAt > created or unknown > 0 then
          told = { fence, attempt, stalled, prio, created, runAt, unknown, '' }
          if x == 1 then wide[i] = told end
        end
      end
      if i > 1 and bytes > 1048576 then
        last = i - 1
        wide[i] = nil
        break
      end
      if i == 1 then leases[1] = fence end
      records[2 * i - 1], records[2 * i] = id, record
      active[2 * i - 1], active[2 * i] = until_, popped[2 * i - 1]
      leases[i + 1] = id
      out[3 * i - 2], out[3 * i - 1], out[3 * i] = id, '', told
    end
    if last < n then
      local back = {}
      for i = last + 1, n do
        back[#back + 1] = popped[2 * i]
        back[#back + 1] = popped[2 * i - 1]
        ids[i] = nil
      end
      call('ZADD', T .. 'w', unpack(back))
      n = last
    end
    call('HSET', JOBS, unpack(records))
    -- A short set is a list that each command walks through. One long member makes a tree of it, which it stays.
    if n >= 16 then
      active[2 * n + 1], active[2 * n + 2] = 'inf', string.rep('-', 65)
      call('ZADD', T .. 'a', unpack(active))
      call('ZREM', T .. 'a', active[2 * n + 2])
    else
      call('ZADD', T .. 'a', unpack(active))
    end
    local envs = call('HMGET', DATA, unpack(ids))
    for i = 1, n do out[3 * i - 1] = envs[i] or '' end
    for i, more in pairs(wide) do
      local fields = call('HMGET', T .. 'x:' .. ids[i], 'progress', 'P')
      more[8] = fields[1] or ''
      local parents = fields[2] and cmsgpack.unpack(fields[2]) or {}
      for p = 2, #parents, 3 do
        more[#more + 1] = parents[p]
        more[#more + 1] = parents[p + 1]
      end
    end
    if lastPolicy ~= policy then
      call('HSETNX', T .. 'pol', policy, ARGV[at + 5])
      lastPolicy, lastRules = policy, ARGV[at + 5]
    end
    if not expiry or now + leaseMs < expiry then expiry = now + leaseMs end
  end
  if n >= count then
    call('ZREM', T .. 'idle', owner)
  else
    call('ZADD', T .. 'idle', now, owner)
  end
  local nextDue
  if due then nextDue = due - now end
  if expiry and (not nextDue or expiry - now < nextDue) then nextDue = expiry - now end
  local head = { now, nextDue and math.ceil(nextDue) or -1, open and 0 or 1, -1, suspects, leases[1] or 0 }
  return { head, {}, {}, out }, { head, {}, {}, leases }
end
