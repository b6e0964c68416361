--- flags: allow-oom
--- use: fast_claim fast_claim_only lease
-- Takes back expired leases, promotes what is due, and leases jobs.
-- ARGV after the call: see readClaim in common/lease.lua.
-- Answers { { head, swept, cascaded, jobs }, work, unlinked }.
if again then return { claimAgain(again), workLeft(), {}, againMore } end
local taken, head = claim(readClaim())
local reply, record = claimReply(taken, head)
commit()
remember(record)
return { reply, work(), unlinked }
