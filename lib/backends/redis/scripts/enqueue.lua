--- use: fast_enqueue commit
-- Adds groups of jobs, each whole or not at all.
-- ARGV after the call: number of groups (below 0: see common/fast_enqueue.lua), sizes, then all jobs (see common/create.lua).
-- Answers { runs, work, unlinked }. A run: { jobs, created 1 / skipped 2 / refused 3 / else 0, set, createdAt, runAt, id },
-- id only where another job stands; of a refused group { size, 3, why, ... }.
-- Without flags: a full server refuses it (rule 11).
if again then return { again, workLeft(), {}, againMore } end

groups = {}
local sizes = {}
for g = 1, num() do sizes[g] = num() end
local ids = {}
for g = 1, #sizes do
  local group = {}
  for i = 1, sizes[g] do
    group[i] = readJob()
    ids[#ids + 1] = group[i].id
    if group[i].parents then group.parents = true end
  end
  groups[g] = group
end
prefetch(ids)

-- Why the group as a whole cannot be added.
local function refusal(group)
  if cfg.disabled == 0 and not group.parents then return end
  local inGroup, keys, failing, fresh = {}, {}, {}, 0
  local skips = cfg.disabled == 1 and cfg.behavior == 1
  for i = 1, #group do
    local input = group[i]
    local new = not load(input.id) and not inGroup[input.id]
    local d = input.dedup
    if new and d then
      local verdict = judge(d.key, d.mode)
      if keys[d.key] or verdict == 'stands' or verdict == 'replace' then new = false end
    end
    if new then
      for _, ref in ipairs(input.parents or {}) do
        local unknown
        if ref.queue == QUEUE then unknown = not inGroup[ref.id] and not load(ref.id) else unknown = ref.state == 'u' end
        if unknown then return { #group, 3, 'p', ref.queue, ref.id } end
        if input.parents.policy == 'f' then
          local state = ref.state
          if ref.queue == QUEUE and not inGroup[ref.id] then state = FINAL_OF[lastRun(load(ref.id)).set] end
          if state == 'f' or state == 'x' or (ref.queue == QUEUE and failing[ref.id]) then failing[input.id] = true end
        end
      end
      inGroup[input.id] = true
      -- What is dropped holds no key, and what is added as failed only one that outlives it; neither is held.
      local fails = failing[input.id]
      if d and not skips and (d.mode == 't' or not fails) then keys[d.key] = true end
      if not fails or skips or cfg.behavior == 2 then fresh = fresh + 1 end
    end
  end
  if cfg.disabled == 0 or fresh == 0 then return end
  if cfg.behavior == 2 then return { #group, 3, 'd' } end
  if cfg.behavior == 0 then
    flush()
    if call('ZCARD', T .. 'h') + fresh > cfg.maxHeld then return { #group, 3, 'h', cfg.maxHeld } end
  end
end

local runs = {}
local function answer(how, set_, created, runAt, id)
  local last = runs[#runs]
  if last and how ~= 3 and last[2] == how and last[3] == set_ and last[4] == created and last[5] == runAt and not id and not last[6] then
    last[1] = last[1] + 1
  else
    runs[#runs + 1] = { 1, how, set_, created, runAt, id }
  end
end

for g = 1, #groups do
  local group = groups[g]
  local refused = refusal(group)
  if refused then
    runs[#runs + 1] = refused
  else
    for i = 1, #group do
      local input = group[i]
      local there, after = standing(input)
      if there then
        answer(0, there.set, there.created, there.runAt, there.id ~= input.id and there.id or nil)
      elseif cfg.disabled == 1 and cfg.behavior == 1 then
        answer(2, 'w', now, now)
      else
        local j = create(input, after)
        answer(1, j.set, j.created, j.runAt)
      end
    end
  end
end
commit()
remember(runs)
return { runs, work(), unlinked }
