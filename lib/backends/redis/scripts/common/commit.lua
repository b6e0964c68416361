--- use: create links wake
-- Ends a transition: whom it concerns is told, everything is written, idle processes are woken.
local function settleAll()
  runLinks()
  flush()
  runTrims()
end

local function commit()
  settleAll()
  if next(trims) ~= nil or #dirty > 0 or #ended > 0 then settleAll() end
  saveOutbox()
  hint()
  leaves = outSeq ~= nil or #unlinked > 0
  saveMeta()
end

-- What the caller must carry to other slots: 1 = the outbox, 2 = links, which the reply names.
local function work()
  return (outSeq and 1 or 0) + (#unlinked > 0 and 2 or 0)
end

-- The same after a resend: the first caller may not have come to it.
local function workLeft()
  return call('EXISTS', T .. 'out') + 2 * call('EXISTS', T .. 'u')
end
