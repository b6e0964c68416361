--- use: fast_claim left
if not again then
  local reply, record = fastClaim()
  if reply then
    hint()
    saveMeta()
    remember(record)
    return { reply, 4 * leftover(), {} }
  end
end
