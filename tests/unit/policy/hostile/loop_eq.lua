-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local m = { __eq = function() while true do end end }
  return setmetatable({}, m) == setmetatable({}, m)
end
return p
