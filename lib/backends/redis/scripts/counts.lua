--- flags: no-writes
--- use: base
-- Jobs per set, in the order of: w s d b h a c C f F x X.
local out = {}
for i, s in ipairs({ 'w', 's', 'd', 'b', 'h', 'a', 'c', 'C', 'f', 'F', 'x', 'X' }) do out[i] = call('ZCARD', T .. s) end
return out
