--- flags: no-writes
--- use: show
-- One page of all sets, for a check. ARGV: place as in find.lua (group, score, member in hex) or ''; entries at most.
-- Answers { entries, group, score, member }, at the end { entries, records, entries of all sets }. An entry: set, id, set by
-- the record or '', birth, policy, parents that hold it (name, birth, ...), dependants (name, policy and birth, ...).
local SETS = { 'w', 's', 'd', 'b', 'h', 'a', 'c', 'C', 'f', 'F', 'x', 'X' }
local group, score, hex, limit = arg(), arg(), arg(), num()
local member
if group ~= '' then
  group, score = tonumber(group) + 1, tonumber(score)
  member = string.gsub(hex, '..', function(h) return string.char(tonumber(h, 16)) end)
else
  group = 1
end
local out = {}
while group <= #SETS do
  local key = T .. SETS[group]
  local from = member and rankAfter(key, score, member, false) or 0
  local found = call('ZRANGE', key, from, from + limit - #out - 1, 'WITHSCORES')
  local ids = {}
  for i = 1, #found, 2 do ids[#ids + 1] = string.sub(found[i], 9) end
  prefetch(ids)
  for i = 1, #ids do
    local id = ids[i]
    local j = load(id)
    local held = call('HGETALL', T .. 'q:' .. id)
    local kids = call('HGETALL', T .. 'k:' .. id)
    local packed = j and xget(j, 'P')
    out[#out + 1] = {
      SETS[group], id, j and j.set or '', j and string.format('%.0f', j.birth) or '0',
      packed and cmsgpack.unpack(packed)[1] or 'i', held, kids,
    }
    if #out == limit then
      local last = string.gsub(found[2 * i - 1], '.', function(c) return string.format('%02x', string.byte(c)) end)
      return { out, group - 1, found[2 * i], last }
    end
  end
  member = nil
  group = group + 1
end
local placed = 0
for _, s in ipairs(SETS) do placed = placed + call('ZCARD', T .. s) end
return { out, call('HLEN', JOBS), placed }
