--- use: calls meta wake
-- The ordinary add, which nearly all are: an open queue, no links, no deduplication. The parts behind make some eighty
-- functions, which costs more than such an add; they are never reached when this one answers.
if not again and cfg.disabled == 0 then
  local groups, n, simple = tonumber(ARGV[9]), 0, true
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
    -- Flags and counters of a job that nothing has happened to, and what stands behind its birth.
    local FLAGS = string.rep('\0', 10)
    local plain = pack('>ddddddd', 0, 0, now, now, 0, 0, 0) .. '\0\0\0'
    for i = 1, n do
      local a = first + 3 * (i - 1)
      local id = ARGV[a]
      local how, set_, created, runAt = 0, nil, nil, nil
      local there = mine[id]
      if there then
        set_, created, runAt = there[1], now, there[2]
      elseif found[i] then
        set_ = string.sub(found[i], 1, 1)
        created, runAt = struct.unpack(TIMES, found[i], TIMES_AT)
      else
        local env, o = ARGV[a + 1], ARGV[a + 2]
        local prio, tail, score = 0, plain, '0'
        how, set_, created, runAt = 1, 'w', now, now
        if o ~= '' then
          local p, delay, at_, keep = string.match(o, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|')
          prio = tonumber(p)
          runAt = tonumber(at_) or now + tonumber(delay)
          if runAt > now then set_ = 'd' else runAt = now end
          tail = pack('>dddddddBBBc0', 0, 0, now, runAt, 0, 0, 0, 0, 0, #keep, keep)
          if cfg.strategy == 3 then score = p end
        end
        ord = ord + 1
        records[#records + 1] = id
        records[#records + 1] = set_ .. FLAGS .. pack('>I4I4I4I4dd', prio, 0, 0, #env, ord, ord) .. tail
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
