--- flags: allow-oom
--- use: base
-- The head of the outbox. ARGV: number up to which everything has been applied, or ''; entries at most (0: only remove).
-- Answers entries: { number, queue, type, arguments ... }, at most about 1 MiB.
local done, limit = arg(), num()
if done ~= '' then call('ZREMRANGEBYSCORE', T .. 'out', '-inf', done) end
local out, bytes = {}, 0
if limit > 0 then
  local members = call('ZRANGE', T .. 'out', 0, limit - 1)
  for i = 1, #members do
    bytes = bytes + #members[i]
    if i > 1 and bytes > 1048576 then break end
    out[i] = cmsgpack.unpack(members[i])
  end
end
return out
