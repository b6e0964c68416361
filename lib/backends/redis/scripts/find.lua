--- flags: no-writes
--- use: meta show
-- One page of jobs. ARGV: group of sets, each a word of letters read as one list; direction '' or 'down' ('auto': down on
-- a lifo queue); place: number of the group, score, member in hex, or ''; jobs at most, bytes at most.
-- Answers { jobs, group, score, member }, the place of the last job; without jobs left: { jobs }.
local words, direction = arg(), arg()
local group, score, hex = arg(), arg(), arg()
local limit, maxBytes = num(), num()
local down = direction == 'down' or (direction == 'auto' and cfg.strategy == 2)
local groups = {}
for word in string.gmatch(words, '%a+') do groups[#groups + 1] = word end

local member
if group ~= '' then
  group, score = tonumber(group) + 1, tonumber(score)
  member = string.gsub(hex, '..', function(h) return string.char(tonumber(h, 16)) end)
else
  group = 1
end

local out, bytes = {}, 0
local function toHex(s) return (string.gsub(s, '.', function(c) return string.format('%02x', string.byte(c)) end)) end

while group <= #groups do
  local entries = {}
  for s in string.gmatch(groups[group], '%a') do
    local key = T .. s
    local from = member and rankAfter(key, score, member, down) or 0
    local found = call(down and 'ZREVRANGE' or 'ZRANGE', key, from, from + limit - #out - 1, 'WITHSCORES')
    for i = 1, #found, 2 do entries[#entries + 1] = { found[i], tonumber(found[i + 1]), s } end
  end
  if #groups[group] > 1 then
    table.sort(entries, function(a, b)
      if a[2] ~= b[2] then
        if down then return a[2] > b[2] end
        return a[2] < b[2]
      end
      if down then return a[1] > b[1] end
      return a[1] < b[1]
    end)
  end
  local ids = {}
  for i = 1, #entries do ids[i] = string.sub(entries[i][1], 9) end
  prefetch(ids)
  for i = 1, #entries do
    local j = load(ids[i])
    bytes = bytes + (j and j.size or 0)
    out[#out + 1] = j and show(j) or { ids[i] }
    if #out == limit or bytes > maxBytes then
      return { out, group - 1, string.format('%.17g', entries[i][2]), toHex(entries[i][1]) }
    end
  end
  member = nil
  group = group + 1
end
return { out }
