--- flags: allow-oom
--- use: base
-- Notes what a call did in other slots, so that a resend reports it. ARGV: client, number, list.
local key = T .. 'c:' .. arg()
local n = arg()
if call('HEXISTS', key, n) == 1 then
  local list = {}
  for i = at + 1, #ARGV do list[#list + 1] = ARGV[i] end
  call('HSET', key, 'x' .. n, cmsgpack.pack(list))
end
