--- flags: allow-oom
-- Takes a key, or holds it for longer. KEYS: the key. ARGV: owner, ttlMs. Answers 1 where the owner has it now.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
