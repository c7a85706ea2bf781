-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local f
  for i = 1, 1e9 do
    local g = f
    f = function() return g, i end
  end
end
return p
