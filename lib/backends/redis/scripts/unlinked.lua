--- flags: no-writes
--- use: base
-- Jobs whose parents in other slots may not be linked yet. ARGV: at most. Answers the entries (see common/links.lua).
local found = call('HSCAN', T .. 'u', 0, 'COUNT', num())
local out = {}
for i = 2, #found[2], 2 do out[#out + 1] = cmsgpack.unpack(found[2][i]) end
return out
