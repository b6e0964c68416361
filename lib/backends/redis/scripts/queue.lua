--- flags: allow-oom
--- use: calls commit
-- The queue itself. ARGV after the call: operation, and what it takes:
--   declare strategy 0-3, paused, behavior or '', maxHeld or '', version or 0 · pause · resume · disable · enable limit
-- Answers { { how, ... }, work, unlinked }: declare { record, version before }, strategy { stored }, others { changed, more }.
if again then return { again, workLeft(), {}, againMore } end
local op = arg()
local reply

local function claimable()
  return call('ZCARD', T .. 'w') + call('ZCARD', T .. 's') + call('ZCARD', T .. 'd')
end

if op == 'declare' then
  local strategy, paused, behavior, maxHeld, version = num(), num(), arg(), arg(), num()
  if cfg.strategy ~= 0 and strategy ~= 0 and cfg.strategy ~= strategy then
    confirm()
    return { { 'strategy', cfg.strategy }, 0, {} }
  end
  if cfg.strategy == 0 then set('strategy', strategy) end
  -- An initial status is for a queue that nobody declared yet; a later pause or resume is not undone by a restart.
  if cfg.declared == 0 and paused == 1 then set('paused', 1) end
  set('declared', 1)
  set('recorded', 1)
  if behavior ~= '' then set('behavior', tonumber(behavior)) end
  if maxHeld ~= '' then set('maxHeld', tonumber(maxHeld)) end
  local before = cfg.version
  set('version', math.max(cfg.version, version))
  reply = { 'declare', cfg.strategy, cfg.paused, cfg.disabled, cfg.behavior, cfg.maxHeld, cfg.version, before }
elseif op == 'pause' or op == 'disable' then
  local field = op == 'pause' and 'paused' or 'disabled'
  reply = { 'changed', 1 - cfg[field] }
  set(field, 1)
  set('recorded', 1)
else
  local field = op == 'resume' and 'paused' or 'disabled'
  local changed = cfg[field]
  set(field, 0)
  if changed == 1 then readied = claimable() end
  local more = 0
  if op == 'enable' then
    unhold(num())
    flush()
    if cfg.held == 1 and call('ZCARD', T .. 'h') > 0 then more = 1 end
  end
  reply = { 'changed', changed, more }
end
commit()
remember(reply)
return { reply, work(), unlinked }
