-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return setmetatable({}, { __concat = function() while true do end end }) .. "x"
end
return p
