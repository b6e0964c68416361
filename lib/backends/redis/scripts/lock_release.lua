--- flags: allow-oom
-- Frees a key. KEYS: the key. ARGV: owner. Answers 1 where the owner had it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
