--- use: calls meta wake
-- The ordinary add, which nearly all are: an open queue, no links, no deduplication. The parts behind make some eighty
-- functions, which costs more than such an add; they are never reached when this one answers.
local groups = tonumber(ARGV[9])
-- Below 0: every id was made up by the client, so none can be there already, and no job has options. Then the sizes are
-- one text ('' = all 1), and so are the jobs: of each an id of 36 bytes and the envelope, a mark (1e) between two.
local packed = groups < 0
-- Id and envelope of the job behind `from`, and where it ends.
local function unpacked(from)
  local last = string.find(ARGV[11], '\30', from + 1, true) or #ARGV[11] + 1
  return string.sub(ARGV[11], from + 1, from + 36), string.sub(ARGV[11], from + 37, last - 1), last
end
if packed and cfg.disabled ~= 0 then
  -- What follows reads it as any other add.
  local sizes, text = ARGV[10], ARGV[11]
  local list, from = { -groups }, 0
  for size in string.gmatch(sizes, '%d+') do list[#list + 1] = size end
  for i = #list, -groups do list[i + 1] = 1 end
  while from < #text do
    local id, env
    id, env, from = unpacked(from)
    list[#list + 1] = id
    list[#list + 1] = env
    list[#list + 1] = ''
  end
  for i = 1, #list do ARGV[8 + i] = list[i] end
end
if not again and cfg.disabled == 0 then
  if packed then
    local records, datas, ready = {}, {}, {}
    local pack = struct.pack
    local n, from, text = 0, 0, ARGV[11]
    while from < #text do
      local id, env
      id, env, from = unpacked(from)
      n = n + 1
      local i = 2 * n
      ord = ord + 1
      records[i - 1], records[i] = id, 'n' .. pack(NEW, #env, ord, now)
      datas[i - 1], datas[i] = id, env
      ready[i - 1], ready[i] = '0', pack('>I8', ord) .. id
    end
    if n > 0 then set('recorded', 1) end
    many('HSET', JOBS, records)
    many('HSET', DATA, datas)
    many('ZADD', T .. 'w', ready)
    readied = n
    hint()
    saveMeta()
    local runs = { { n, 1, 'w', now, now } }
    remember(runs)
    return { runs, 0, {} }
  end
  local n, simple = 0, true
  for g = 1, groups do n = n + tonumber(ARGV[9 + g]) end
  local first = 10 + groups
  local opts = first + 2
  for i = 0, n - 1 do
    local o = ARGV[opts + 3 * i]
    if o ~= '' and string.sub(o, -1) ~= '|' then
      simple = false
      break
    end
  end
  if simple then
    local mine, found = {}, {}
    for i = 1, n, CHUNK do
      local ids, last = {}, math.min(i + CHUNK - 1, n)
      for k = i, last do ids[k - i + 1] = ARGV[first + 3 * (k - 1)] end
      local part = call('HMGET', JOBS, unpack(ids))
      for k = 1, #part do found[i + k - 1] = part[k] end
    end
    local records, datas, ready, delayed, soon = {}, {}, {}, {}, {}
    local runs, run = {}, nil
    local pack = struct.pack
    -- Flags of a job that nothing has happened to.
    local FLAGS = string.rep('\0', 10)
    for i = 1, n do
      local a = first + 3 * (i - 1)
      local id = ARGV[a]
      local how, set_, created, runAt = 0, nil, nil, nil
      local there = mine[id]
      if there then
        set_, created, runAt = there[1], now, there[2]
      elseif found[i] then
        set_ = string.sub(found[i], 1, 1)
        if set_ == 'n' then
          local _, _, at_ = struct.unpack(NEW, found[i], 2)
          set_, created, runAt = 'w', at_, at_
        else
          created, runAt = struct.unpack(TIMES, found[i], TIMES_AT)
        end
      else
        local env, o = ARGV[a + 1], ARGV[a + 2]
        local record, score = nil, '0'
        how, set_, created, runAt = 1, 'w', now, now
        ord = ord + 1
        if o ~= '' then
          local p, delay, at_, keep = string.match(o, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|')
          runAt = tonumber(at_) or now + tonumber(delay)
          if runAt > now then set_ = 'd' else runAt = now end
          record = set_ .. FLAGS .. pack('>I4I4I4I4dddddddddBBBc0', tonumber(p), 0, 0, #env, ord, ord, 0, 0, now, runAt, 0, 0, 0,
            0, 0, #keep, keep)
          if cfg.strategy == 3 then score = p end
        end
        records[#records + 1] = id
        records[#records + 1] = record or 'n' .. pack(NEW, #env, ord, now)
        datas[#datas + 1] = id
        datas[#datas + 1] = env
        local member = pack('>I8', ord) .. id
        if set_ == 'w' then
          ready[#ready + 1] = score
          ready[#ready + 1] = member
        else
          delayed[#delayed + 1] = runAt
          delayed[#delayed + 1] = member
          soon[member] = true
        end
        mine[id] = { set_, runAt }
      end
      if run and run[2] == how and run[3] == set_ and run[4] == created and run[5] == runAt then
        run[1] = run[1] + 1
      else
        run = { 1, how, set_, created, runAt }
        runs[#runs + 1] = run
      end
    end
    if #records > 0 then
      set('recorded', 1)
      many('HSET', JOBS, records)
      many('HSET', DATA, datas)
      many('ZADD', T .. 'w', ready)
      if #delayed > 0 then
        many('ZADD', T .. 'd', delayed)
        sooner = soon[call('ZRANGE', T .. 'd', 0, 0)[1]] == true
      end
      readied = #ready / 2
      hint()
      saveMeta()
    end
    remember(runs)
    return { runs, 0, {} }
  end
end
