--- use: calls meta wake policy
-- The ordinary settle: every outcome completes a job that has no links and no deduplication key, all under one rule of
-- retention. When it is one, `verdicts` says what became of them and everything is written; else nothing is.
local verdicts
if not again then
  local NOW = string.format('%.0f', now)
  local n = tonumber(ARGV[9])
  -- Below 0: plain completions only, in one text: of each id, fence and, unless it has none, the result, a line each; a
  -- mark (1e) between two.
  local simple = n < 0
  local given, fences, outcomes = {}, {}, {}
  if simple then
    n = -n
    local text, from, find, sub = ARGV[10], 1, string.find, string.sub
    for i = 1, n do
      local last = (find(text, '\30', from, true) or #text + 1) - 1
      local line = find(text, '\n', from, true)
      local next_ = find(text, '\n', line + 1, true)
      if next_ and next_ <= last then outcomes[i] = sub(text, next_ + 1, last) else next_ = last + 1 end
      given[i], fences[i] = sub(text, from, line - 1), tonumber(sub(text, line + 1, next_ - 1))
      from = last + 2
    end
  end
  if simple then
    local found = call('HMGET', JOBS, unpack(given))
    local said, rule, ruleOf = {}, nil, nil
    local rem, ids, records, results, done, unlink, errors = {}, {}, {}, {}, {}, {}, {}
    local pack, unpackRecord = struct.pack, struct.unpack
    local next_, ended_ = ord, {}
    for i = 1, n do
      local id, s = given[i], found[i]
      local verdict = 'l'
      if s and ended_[id] then
        -- The same job twice in a call.
        verdict = fences[i] == ended_[id] and 'a' or 'l'
      elseif s and string.byte(s) ~= 110 then
        local set_, suspect, dead, x, l, t, r, k, q, nn, dk, prio, attempt, stalled, size, o, birth, fence_, settled, created,
          runAt, started, _, _, owner, policy, keep = unpackRecord(FMT, s)
        local claimed = fences[i]
        if set_ == 'a' and fence_ == claimed then
          if k == 1 or q == 1 or dk == 1 or keep ~= '' then
            simple = false
            break
          end
          if policy ~= ruleOf then
            local known = policyOf(policy)
            local r_ = known and (known.c or known.dc) or DEFAULT_RULE.c
            if rule and r_ ~= rule then
              simple = false
              break
            end
            rule, ruleOf = r_, policy
          end
          verdict = 's'
          ended_[id] = fence_
          rem[#rem + 1] = pack('>I8', o) .. id
          ids[#ids + 1] = id
          next_ = next_ + 1
          if x == 1 then errors[#errors + 1] = id end
          local tail = ''
          local result = outcomes[i]
          if result then
            if #result > INLINE_RESULT then
              r = 2
              results[#results + 1] = id
              results[#results + 1] = result
            else
              r, tail = 1, result
            end
          end
          records[#records + 1] = id
          records[#records + 1] = pack(FMT, 'c', suspect, dead, x, l, t, r, k, q, nn, dk, prio, attempt, stalled, size, next_, birth,
            fence_, claimed, created, runAt, started, now, 0, #owner, owner, #policy, policy, 0, '') .. tail
          done[#done + 1] = NOW
          done[#done + 1] = pack('>I8', next_) .. id
          for w = 1, 4 do
            if (w == 1 and x or w == 2 and l or w == 3 and t or nn) == 1 then
              unlink[#unlink + 1] = T .. string.sub('xltn', w, w) .. ':' .. id
            end
          end
        elseif settled > 0 and settled == claimed then
          verdict = 'a'
        end
      end
      said[i] = verdict
    end
    -- What the rule removes must be ordinary, too, and older than what ends now.
    local old, oldIds, oldUnlink, oldResults = {}, {}, {}, {}
    local keepsNone = rule and string.sub(rule, 1, 2) == '0,'
    if simple and rule and not keepsNone then
      local count, age = string.match(rule, '^([^,]*),(.*)$')
      local key = T .. 'c'
      if age ~= '' then
        local oldest = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
        if oldest and tonumber(oldest) <= now - tonumber(age) then simple = false end
      end
      if count ~= '' and simple then
        local size = call('ZCARD', key)
        local extra = math.min(size + #ids - tonumber(count), math.max(100, 2 * n))
        if extra > size then
          simple = false
        elseif extra > 0 then
          old = call('ZRANGE', key, 0, extra - 1)
          for i = 1, #old do oldIds[i] = string.sub(old[i], 9) end
          local records_ = call('HMGET', JOBS, unpack(oldIds))
          for i = 1, #old do
            local flags = records_[i] and string.sub(records_[i], 4, 11) or ''
            if string.byte(flags, 4) == 2 then oldResults[#oldResults + 1] = oldIds[i] end
            if flags ~= '\0\0\0\0\0\0\0\0' and flags ~= '\0\0\0\1\0\0\0\0' then
              if string.byte(flags, 8) ~= 0 then
                simple = false
                break
              end
              for w = 1, 7 do
                if string.byte(flags, w) == 1 and w ~= 4 then
                  oldUnlink[#oldUnlink + 1] = T .. string.sub('xltrkqn', w, w) .. ':' .. oldIds[i]
                end
              end
            end
          end
        end
      end
    end
    if simple then
      verdicts = said
      at = 10
      ord = next_
      many('ZREM', T .. 'a', rem)
      if keepsNone then
        many('HDEL', JOBS, ids)
        many('HDEL', DATA, ids)
        if #unlink > 0 then call('UNLINK', unpack(unlink)) end
      elseif #ids > 0 then
        if #old > 0 then
          call('ZREM', T .. 'c', unpack(old))
          call('HDEL', JOBS, unpack(oldIds))
          call('HDEL', DATA, unpack(oldIds))
          many('HDEL', T .. 'res', oldResults)
          if #oldUnlink > 0 then call('UNLINK', unpack(oldUnlink)) end
        end
        many('HSET', JOBS, records)
        many('HSET', T .. 'res', results)
        many('ZADD', T .. 'c', done)
        for i = 1, #errors do call('HDEL', T .. 'x:' .. errors[i], 'error') end
        if rules.c ~= rule then
          rules.c = rule
          rulesChanged = true
        end
      end
    end
  end
  if tonumber(ARGV[9]) < 0 and not verdicts then
    -- What follows reads it as any other settle.
    local list = { n }
    for i = 1, n do list[1 + i] = given[i] end
    for i = 1, n do
      local k = #list
      list[k + 1], list[k + 2], list[k + 3] = fences[i], outcomes[i] and 'cR' or 'c', outcomes[i]
    end
    for i = 11, #ARGV do list[#list + 1] = ARGV[i] end
    for i = 1, #list do ARGV[8 + i] = list[i] end
  end
end
