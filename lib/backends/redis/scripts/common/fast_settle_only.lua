--- use: fast_complete fast_claim left
-- The claim of an ordinary settle may be out of the ordinary: it then goes on behind, with the settle done.
if verdicts then
  local reply, record = 0, 0
  local wants = ARGV[at + 1] == '1'
  if wants then
    at = at + 1
    reply, record = fastClaim()
    if not reply then at = at - 1 end
  end
  if reply then
    hint()
    saveMeta()
    remember({ now, verdicts, {}, record })
    return { { now, verdicts, {}, reply }, wants and 4 * leftover() or 0, {} }
  end
end
