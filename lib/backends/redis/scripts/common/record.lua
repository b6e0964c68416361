--- use: base
-- The record of a job, packed: set; flags suspect, dead, x, l, t, r, k, q, n, dk; priority, attempt, stalled, size; ord,
-- birth, fence, settled, createdAt, runAt, startedAt, finishedAt, unknownNameSince; owner, policy, keep. See job.lua. Behind
-- it stands the result where r is 1; a long one (r is 2) lies in the hash `res`, so that nobody copies it to read flags.
local INLINE_RESULT = 512
local FMT = '>c1BBBBBBBBBBI4I4I4I4dddddddddBc0Bc0Bc0'
-- Where createdAt and runAt stand in it.
local TIMES, TIMES_AT = '>dd', 60
-- A job that was just added, is ready and brings nothing of its own is 'n' (110) and this: size, ord, createdAt. Its birth is its
-- ord, its runAt is its createdAt, and whatever is written next is a record. Most memory is taken by jobs that wait.
local NEW = '>I4I6I6'
-- Transitions into `ready`, and whether a job became the earliest due one, since the script began.
local readied, sooner = 0, false
