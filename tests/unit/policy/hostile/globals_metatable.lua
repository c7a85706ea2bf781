-- expect: EINVAL cannot change a protected metatable
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  setmetatable(_ENV, nil)
  return pages.read_heat
end
return p
