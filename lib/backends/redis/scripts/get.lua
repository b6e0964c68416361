--- flags: no-writes
--- use: show
-- One job, or nothing. ARGV: id.
local j = load(arg())
return j and show(j) or false
