-- expect: EINVAL cannot change a protected metatable
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  setmetatable(pages, {})
  return pages.read_heat
end
return p
