--- flags: allow-oom
--- use: fast_claim fast_claim_only lease left
-- Takes back expired leases, promotes what is due, and leases jobs.
-- ARGV after the call: see readClaim in common/lease.lua.
-- Answers { { head, swept, cascaded, jobs }, work + 4 * work that others left, unlinked }.
if again then return { claimAgain(again), workLeft(), {}, againMore } end
local taken, head = claim(readClaim())
local reply, record = claimReply(taken, head)
commit()
remember(record)
return { reply, work() + 4 * leftover(), unlinked }
