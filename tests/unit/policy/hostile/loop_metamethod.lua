-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = setmetatable({}, { __index = function() while true do pcall(error) end end })
  return t.anything
end
return p
