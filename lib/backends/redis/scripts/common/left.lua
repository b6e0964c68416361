--- use: meta
-- Work for other slots whose caller died before it came to it. Where there is some, `left` of the queue's record says when a
-- claim is to look whether it was done; without it nobody asks. Answers bits as `work()` of commit.lua.
local function leftover()
  local due = meta[9] and tonumber(meta[9])
  -- A clock that stepped back must not put it off.
  if not due or (due > now and due <= now + LOOK_MS) then return 0 end
  local bits = call('EXISTS', T .. 'out') + 2 * call('EXISTS', T .. 'u')
  if bits == 0 then
    call('HDEL', KEYS[1], 'left')
  else
    -- One of many claimers does it, and another one when that one dies as well.
    call('HSET', KEYS[1], 'left', now + LOOK_MS)
  end
  return bits
end
