--- flags: allow-oom
--- use: calls commit
-- One job, changed by hand. ARGV after the call: operation, id, and what the operation takes:
--   cancel reason or '' · remove · promote · data '' or '1', payload · delay ms · priority n
-- Answers { { verdict, set, owner, fence, cascaded }, work, unlinked }; verdict: done, refused, unknown.
if again then return { again, workLeft(), {}, againMore } end
local op, id = arg(), arg()
local j = load(id)
local notStarted = j and (j.set == 'w' or j.set == 's' or j.set == 'd' or j.set == 'b' or j.set == 'h')
local allowed = notStarted
if op == 'cancel' then allowed = j and not isFinal(j)
elseif op == 'remove' then allowed = j and j.set ~= 'a'
elseif op == 'promote' then allowed = j and j.set == 'd' end

local reply
if not j then
  reply = { 'unknown' }
elseif not allowed then
  reply = { 'refused', j.set }
else
  local was, owner, fence_ = j.set, j.owner, j.fence
  if op == 'cancel' then
    local has, reason = arg(), arg()
    if has == '1' then xset(j, 'reason', reason) else xdel(j, 'reason') end
    finish(j, 'x')
  elseif op == 'remove' then
    forget(j)
  elseif op == 'promote' then
    j.runAt = now
    note(j, 'p', '', '')
    toReady(j, true)
  elseif op == 'data' then
    local has, data = arg(), arg()
    -- The head of the envelope has no line break; the payload stands behind the first one.
    local head = string.match(call('HGET', DATA, id), '^[^\n]*')
    local env = has == '1' and head .. '\n' .. data or head
    rewrite(j, env, #env)
  elseif op == 'delay' then
    local delay = num()
    note(j, 'd', '', string.format('%.14g', delay) .. ' ms')
    postpone(j, now + delay)
  else
    j.prio = num()
    touch(j)
    if j.set == 'w' or j.set == 's' then toReady(j, false) end
  end
  settleAll()
  reply = { 'done', was, owner, fence_, cascaded }
end
commit()
remember(reply)
return { reply, work(), unlinked }
