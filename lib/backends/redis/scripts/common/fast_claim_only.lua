--- use: fast_claim
if not again then
  local reply, record = fastClaim()
  if reply then
    hint()
    saveMeta()
    remember(record)
    return { reply, 0, {} }
  end
end
