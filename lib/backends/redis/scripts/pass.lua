--- flags: allow-oom
--- use: wake
-- A woken process that cannot take the job passes the hint on. ARGV: the process.
local from = arg()
for _ = 1, 100 do
  local idle = call('ZRANGE', T .. 'idle', 0, 1, 'WITHSCORES')
  local i = idle[1] == from and 3 or 1
  if not idle[i] then return end
  call('ZREM', T .. 'idle', idle[i])
  if tonumber(idle[i + 1]) >= now - IDLE_MS and wake(idle[i]) then return end
end
