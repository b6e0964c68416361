--- use: base record
-- Jobs: one packed string each in the hash `jobs`, the payload in the hash `data`. What only some jobs have lies in keys
-- of their own, and flags of the record say which: x (errors, progress, links, ...), l (logs), t (timeline), n (children
-- by name), k (dependants), q (parents that hold it).
--
-- Changes are collected and written by `flush`: one command per kind, removals first (rule 11).
--
-- set: w ready, s suspect, d delayed, b blocked, h held, a leased, c f x done, C F X done with unfinished dependants.
local J = {}
local dirty, moved = {}, false

local function memberOf(o, id) return struct.pack('>I8', o) .. id end

local function decode(id, s)
  if string.byte(s) == 110 then
    local size, o, created = struct.unpack(NEW, s, 2)
    s = struct.pack(FMT, 'w', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, o, o, 0, 0, created, created, 0, 0, 0, 0, '', 0, '', 0, '')
  end
  local set_, suspect, dead, x, l, t, r, k, q, n, dk, prio, attempt, stalled, size, o, birth, fence_, settled, created,
    runAt, started, finished, unknown, owner, policy, keep, rest = struct.unpack(FMT, s)
  return {
    id = id, set = set_, suspect = suspect, dead = dead, x = x, l = l, t = t, r = r, k = k, q = q, n = n, dk = dk,
    prio = prio, attempt = attempt, stalled = stalled, size = size, ord = o, birth = birth, fence = fence_,
    settled = settled, created = created, runAt = runAt, started = started, finished = finished, unknown = unknown,
    owner = owner, policy = policy, keep = keep, at = set_, atOrd = o, score = 0, dirty = false, gone = false,
    tail = r == 1 and string.sub(s, rest) or '',
  }
end

local function encode(j)
  return struct.pack(FMT, j.set, j.suspect, j.dead, j.x, j.l, j.t, j.r, j.k, j.q, j.n, j.dk, j.prio, j.attempt, j.stalled,
    j.size, j.ord, j.birth, j.fence, j.settled, j.created, j.runAt, j.started, j.finished, j.unknown, #j.owner, j.owner,
    #j.policy, j.policy, #j.keep, j.keep) .. j.tail
end

-- Loads the jobs of these ids in one command.
local function prefetch(ids)
  local n = #ids
  for i = 1, n, CHUNK do
    local last = math.min(i + CHUNK - 1, n)
    local found = call('HMGET', JOBS, unpack(ids, i, last))
    for f = 1, last - i + 1 do
      local id = ids[i + f - 1]
      if J[id] == nil then J[id] = found[f] and decode(id, found[f]) or false end
    end
  end
end

-- The job, or nil.
local function load(id)
  local j = J[id]
  if j == nil then
    local s = call('HGET', JOBS, id)
    j = s and decode(id, s) or false
    J[id] = j
  end
  if j and not j.gone then return j end
end

local function touch(j)
  if not j.dirty then
    j.dirty = true
    dirty[#dirty + 1] = j
  end
end

local function isFinal(j)
  local s = j.set
  return s == 'c' or s == 'f' or s == 'x' or s == 'C' or s == 'F' or s == 'X'
end

-- Fields of the wide part, written with the next flush.
local function xset(j, field, value)
  j.x = 1
  j.xw = j.xw or {}
  j.xw[field] = value
  touch(j)
end
local function xget(j, field)
  local w = j.xw and j.xw[field]
  if w ~= nil then return w end
  return j.x == 1 and call('HGET', T .. 'x:' .. j.id, field)
end
local function xdel(j, field)
  if j.x == 1 then xset(j, field, false) end
end

-- One line of the timeline: code, time, attempt, detail.
local function note(j, code, attempt, detail)
  j.t = 1
  j.tw = j.tw or {}
  j.tw[#j.tw + 1] = code .. string.format('%.0f', now) .. ':' .. attempt .. ':' .. detail
  touch(j)
end

local function keepResult(j, result)
  if #result > INLINE_RESULT then j.r, j.tail, j.result = 2, '', result else j.r, j.tail = 1, result end
end

local function trimmed(key, list, max)
  local n = call('RPUSH', key, unpack(list))
  if n > max then call('LTRIM', key, -max, -1) end
end

local function flushWide(j)
  local id = j.id
  if j.xw then
    local w, d = {}, {}
    for f, v in pairs(j.xw) do
      if v then w[#w + 1] = f; w[#w + 1] = v else d[#d + 1] = f end
    end
    if #d > 0 then call('HDEL', T .. 'x:' .. id, unpack(d)) end
    if #w > 0 then call('HSET', T .. 'x:' .. id, unpack(w)) end
    j.xw = nil
  end
  if j.tw then
    trimmed(T .. 't:' .. id, j.tw, tonumber(ARGV[4]))
    j.tw = nil
  end
  if j.lw then
    for i = 1, #j.lw, CHUNK do trimmed(T .. 'l:' .. id, { unpack(j.lw, i, math.min(i + CHUNK - 1, #j.lw)) }, tonumber(ARGV[5])) end
    j.lw = nil
  end
end

local WIDE = { 'x', 'l', 't', 'n', 'k', 'q' }

local function flush()
  if #dirty == 0 then return end
  local list = dirty
  dirty = {}
  local rem, add, hset, data, res, hdel, hres, unlink = {}, {}, {}, {}, {}, {}, {}, {}
  local delayed, wide = {}, false
  for i = 1, #list do
    local j = list[i]
    local id, from, to = j.id, j.at, j.set
    j.dirty = false
    if j.gone then
      to = nil
      hdel[#hdel + 1] = id
      if j.r == 2 then hres[#hres + 1] = id end
      for f = 1, 6 do
        if j[WIDE[f]] == 1 then unlink[#unlink + 1] = T .. WIDE[f] .. ':' .. id end
      end
      J[id] = nil
    else
      hset[#hset + 1] = id
      hset[#hset + 1] = encode(j)
      if j.env then data[#data + 1] = id; data[#data + 1] = j.env; j.env = nil end
      if j.result then res[#res + 1] = id; res[#res + 1] = j.result; j.result = nil end
      if j.xw or j.tw or j.lw then wide = true end
    end
    if from and (from ~= to or j.atOrd ~= j.ord) then
      local r = rem[from]
      if not r then r = {}; rem[from] = r end
      r[#r + 1] = struct.pack('>I8', j.atOrd) .. id
    end
    if to and (from ~= to or j.atOrd ~= j.ord or j.rescored) then
      local a = add[to]
      if not a then a = {}; add[to] = a end
      local m = struct.pack('>I8', j.ord) .. id
      a[#a + 1] = j.score
      a[#a + 1] = m
      if to == 'd' then delayed[m] = true end
    end
    j.at, j.atOrd, j.rescored = to, j.ord, nil
  end
  for s, members in pairs(rem) do many('ZREM', T .. s, members) end
  if #hdel > 0 then
    many('HDEL', JOBS, hdel)
    many('HDEL', DATA, hdel)
    many('HDEL', T .. 'res', hres)
  end
  for i = 1, #unlink, CHUNK do call('UNLINK', unpack(unlink, i, math.min(i + CHUNK - 1, #unlink))) end
  many('HSET', JOBS, hset)
  many('HSET', DATA, data)
  many('HSET', T .. 'res', res)
  for s, members in pairs(add) do many('ZADD', T .. s, members) end
  if wide then
    for i = 1, #list do
      if not list[i].gone then flushWide(list[i]) end
    end
  end
  if add.d and not sooner then
    local first = call('ZRANGE', T .. 'd', 0, 0)[1]
    sooner = delayed[first] == true
  end
end
