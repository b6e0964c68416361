--- flags: allow-oom
-- Holds a key for longer. KEYS: the key. ARGV: owner, ttlMs. Answers 1 where the owner has it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
