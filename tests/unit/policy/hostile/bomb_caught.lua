-- expect: ETIME stopped after
-- Runs out of memory, catches it and goes on: every allocation collects the whole heap first.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = {}
  while true do
    pcall(function() while true do t[#t + 1] = { #t } end end)
  end
end
return p
