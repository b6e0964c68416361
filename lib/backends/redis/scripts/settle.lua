--- flags: allow-oom
--- use: fast_settle_only lease left
-- Ends leases, and claims for the slots that they free.
-- ARGV after the call: number of outcomes (below 0: see common/fast_complete.lua); their ids; then of each: fence, letters, and what the letters announce:
--   kind first: c complete, f fail, t retry, l release; then in this order
--   P progress · L count and log lines · C count and (queue, id) of children · R result · E error and its summary ·
--   D delay · Y reason · T count and follow-up jobs, each: queue, number of arguments, arguments of the job.
-- Then '' or '1' and the claim (see readClaim in common/lease.lua).
-- Answers { { now, verdicts, cascaded, claim or 0 }, work + 4 * work that others left, unlinked }.
if again then
  local reply = again
  if reply[4] ~= 0 then reply[4] = claimAgain(reply[4]) end
  return { reply, workLeft(), {}, againMore }
end

if not verdicts then
  local count = num()
  local ids = {}
  for i = 1, count do ids[i] = arg() end
  prefetch(ids)
  trimLeft = math.max(100, 2 * count)

  verdicts = {}
  for i = 1, count do
    local j = load(ids[i])
    local fence_, letters = num(), arg()
    local holds = j and j.set == 'a' and j.fence == fence_
    if not holds then
      verdicts[i] = j and j.settled > 0 and j.settled == fence_ and 'a' or 'l'
    else
      verdicts[i] = 's'
      j.settled = fence_
    end
    local kind = string.sub(letters, 1, 1)
    local err, summary, delay, reason
    local then_ = {}
    for l = 2, #letters do
      local letter = string.sub(letters, l, l)
      if letter == 'P' then
        local progress = arg()
        if holds then xset(j, 'progress', progress) end
      elseif letter == 'L' then
        local lines = {}
        for n = 1, num() do lines[n] = arg() end
        if holds then j.l = 1; j.lw = lines end
      elseif letter == 'C' then
        for _ = 1, num() do
          local ref = refOf(arg(), arg())
          if holds then nameChild(j, ref) end
        end
      elseif letter == 'R' then
        local result = arg()
        if holds then keepResult(j, result) end
      elseif letter == 'E' then
        err, summary = arg(), arg()
      elseif letter == 'D' then
        delay = num()
      elseif letter == 'Y' then
        reason = arg()
      elseif letter == 'T' then
        for n = 1, num() do
          local queue, args = arg(), num()
          if queue == QUEUE then
            then_[n] = { queue, readJob() }
          else
            local list = {}
            for a = 1, args do list[a] = arg() end
            then_[n] = { queue, list }
          end
        end
      end
    end
    if holds then
      if kind ~= 'l' then j.unknown = 0 end
      if kind == 'c' then
        xdel(j, 'error')
        finish(j, 'c')
      elseif kind == 'f' then
        xset(j, 'error', err)
        note(j, 'f', j.attempt, summary)
        finish(j, 'f')
      elseif kind == 't' then
        xset(j, 'error', err)
        note(j, 'f', j.attempt, summary)
        later(j, delay, true)
      else
        j.attempt = j.attempt - 1
        j.unknown = reason == 'unknown-name' and (j.unknown > 0 and j.unknown or now) or 0
        note(j, 'r', '', reason)
        later(j, delay, false)
      end
      for n = 1, #then_ do
        if then_[n][1] == QUEUE then addAlways(then_[n][2]) else send(then_[n][1], 'J', unpack(then_[n][2])) end
      end
    end
  end
end
settleAll()

local ended_ = cascaded
local reply, record, looks = 0, 0, arg() == '1'
if looks then
  cascaded = {}
  local c = readClaim()
  -- Every lease that this call ended has been written: the claim sees the queue without them.
  local taken, head = claim(c)
  reply, record = claimReply(taken, head)
end
commit()
remember({ now, verdicts, ended_, record })
return { { now, verdicts, ended_, reply }, work() + (looks and 4 * leftover() or 0), unlinked }
