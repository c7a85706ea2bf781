-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local endless <close> = setmetatable({}, { __close = function() while true do end end })
  while true do end
end
return p
