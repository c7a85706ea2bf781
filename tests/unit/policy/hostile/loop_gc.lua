-- expect: EINVAL policies cannot use __gc
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  setmetatable({}, { __gc = function() while true do end end })
  return pages.read_heat
end
return p
