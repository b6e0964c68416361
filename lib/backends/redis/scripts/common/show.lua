--- use: job
-- A whole job for whoever reads it. Answers numbers and texts in the order of decode.ts.
local function show(j)
  local id = j.id
  local x, logs, timeline, children, parents = {}, {}, {}, {}, {}
  if j.x == 1 then x = call('HGETALL', T .. 'x:' .. id) end
  for i = 1, #x, 2 do
    if x[i] == 'P' then
      parents = cmsgpack.unpack(x[i + 1])
      x[i + 1] = ''
    end
  end
  local refs = {}
  for i = 2, #parents, 3 do
    refs[#refs + 1] = parents[i]
    refs[#refs + 1] = parents[i + 1]
  end
  if j.l == 1 then logs = call('LRANGE', T .. 'l:' .. id, 0, -1) end
  if j.t == 1 then timeline = call('LRANGE', T .. 't:' .. id, 0, -1) end
  if j.n == 1 then children = call('ZRANGE', T .. 'n:' .. id, 0, -1) end
  return {
    id, call('HGET', DATA, id) or '', j.set, j.prio, j.attempt, j.stalled, j.fence, j.owner, j.created, j.runAt, j.started,
    j.finished, j.dead, j.r == 1 and { j.tail } or j.r == 2 and { call('HGET', T .. 'res', id) or '' } or {}, x, logs, timeline, refs, children,
  }
end

-- Sets are named by a letter; an upper case one is read with its lower case one.
local function rankAfter(key, score, member, down)
  -- Where entries behind (score, member) begin, in the direction of reading.
  local rank = call(down and 'ZREVRANK' or 'ZRANK', key, member)
  if rank then
    local s = tonumber(call('ZSCORE', key, member))
    if s == score then return rank + 1 end
  end
  local lo, hi
  if down then
    lo = call('ZCOUNT', key, '(' .. string.format('%.17g', score), '+inf')
    hi = lo + call('ZCOUNT', key, score, score)
  else
    lo = call('ZCOUNT', key, '-inf', '(' .. string.format('%.17g', score))
    hi = lo + call('ZCOUNT', key, score, score)
  end
  while lo < hi do
    local mid = math.floor((lo + hi) / 2)
    local m = call(down and 'ZREVRANGE' or 'ZRANGE', key, mid, mid)[1]
    local before = m < member
    if down then before = m > member end
    if before then lo = mid + 1 else hi = mid end
  end
  return lo
end
