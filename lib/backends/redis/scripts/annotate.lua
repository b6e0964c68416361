--- flags: allow-oom
--- use: commit
-- Progress and logs of running jobs. ARGV: count; then of each: id, fence, letters P L C as in settle.lua.
for _ = 1, num() do
  local id, fence_, letters = arg(), num(), arg()
  local j = load(id)
  local holds = j and j.set == 'a' and j.fence == fence_
  for l = 1, #letters do
    local letter = string.sub(letters, l, l)
    if letter == 'P' then
      local progress = arg()
      if holds then xset(j, 'progress', progress) end
    elseif letter == 'L' then
      local lines = holds and j.lw or {}
      for _ = 1, num() do lines[#lines + 1] = arg() end
      if holds then j.l = 1; j.lw = lines; touch(j) end
    else
      for _ = 1, num() do
        local ref = refOf(arg(), arg())
        if holds then nameChild(j, ref) end
      end
    end
  end
end
flush()
