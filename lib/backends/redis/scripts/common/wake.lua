--- use: meta record
-- Wakes whoever has something to do now (rule 9). zset idle: processes by the time of their last claim that wanted more;
-- sweeps remove those that are long gone.
local IDLE_MS = 15000

-- Nobody received it: the process died. So the hint is given to another, this often per call. In a Cluster the number
-- says nothing, since it counts this node's listeners only: there such a hint is lost, and costs a poll floor.
local spare = CLUSTER and 0 or 3

-- Answers whether the hint is spent.
local function wake(process)
  local received = call('PUBLISH', ARGV[3] .. process, 'w' .. QUEUE)
  if received > 0 or spare == 0 then return true end
  spare = spare - 1
  return false
end

local function hint()
  local jobs = readied
  if cap then
    -- A claim was cut short by maxActive: whoever ends a lease has news for idle processes.
    local active = call('ZCARD', T .. 'a')
    if active < cap then
      local ready = call('ZCARD', T .. 'w') + call('ZCARD', T .. 's')
      jobs = math.max(jobs, math.min(cap - active, ready))
      cap = nil
    end
  end
  if sooner then jobs = jobs + 1 end
  readied, sooner = 0, false
  if jobs <= 0 or closed() then return end
  while jobs > 0 do
    local idle = call('ZPOPMIN', T .. 'idle', math.min(jobs, 100))
    if #idle == 0 then return end
    for i = 1, #idle, 2 do
      -- Asleep for good: the hint goes to the next one.
      if tonumber(idle[i + 1]) >= now - IDLE_MS and wake(idle[i]) then jobs = jobs - 1 end
    end
  end
end
