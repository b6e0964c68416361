--- flags: allow-oom
--- use: commit
-- What linking found. ARGV: count; then of each child: id, birth, policy, number of parents, and of each: queue, id as it
-- was, id, birth, how (see link.lua). A child that has ended meanwhile lets go of them. Answers { cascaded, work, unlinked }.
for _ = 1, num() do
  local id, birth, policy = arg(), arg(), arg()
  local child = load(id)
  if child and string.format('%.0f', child.birth) ~= birth then child = nil end
  for _ = 1, num() do
    local queue, old, pid, pbirth, how = arg(), arg(), arg(), num(), arg()
    if policy ~= '-' then
      if not child or isFinal(child) then
        send(queue, 'U', pid, refOf(QUEUE, id), birth)
      else
        if pid ~= old or pbirth > 0 then renameParent(child, id, tonumber(birth), refOf(queue, old), pid, pbirth) end
        -- For a retry, whatever finished before it holds nothing back.
        local counts = policy == string.upper(policy) and 'c' or how
        if how ~= 'o' then parentEnded(child, refOf(queue, pid), counts, policy) end
      end
    end
  end
  runLinks()
  call('HDEL', T .. 'u', birth)
end
commit()
return { cascaded, work(), unlinked }
