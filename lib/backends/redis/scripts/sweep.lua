--- flags: allow-oom
--- use: lease
-- Takes back expired leases and applies retention by age. ARGV: leases at most, removals at most, held jobs at most.
-- Answers { { swept, cascaded, removed, held left }, work, unlinked }; work also tells what crashes left.
local leases, removals, heldMax = num(), num(), num()
trimLeft = math.max(100, 2 * leases)
reap(leases)
settleAll()
local removed = 0
for _, state in ipairs({ 'c', 'f', 'x' }) do
  if rules[state] and removed < removals then
    trimLeft = removals - removed
    removed = removed + trimState(state, rules[state])
  end
end
trimLeft = 0
if removed < removals then removed = removed + forgetExpired(removals - removed) end
unhold(heldMax)
call('ZREMRANGEBYSCORE', T .. 'idle', '-inf', now - IDLE_MS)
commit()
local held = 0
if cfg.disabled == 0 and cfg.held == 1 then held = call('ZCARD', T .. 'h') end
return { { swept, cascaded, removed, held }, workLeft(), {} }
