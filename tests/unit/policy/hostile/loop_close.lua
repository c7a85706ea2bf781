-- expect: ETIME stopped after
-- A to-be-closed variable must not get to run when its scope is cut off.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local endless <close> = setmetatable({}, { __close = function() while true do end end })
  return pages.read_heat
end
return p
