-- expect: EINVAL add: a vector expected, got number
-- A method called on something that is no vector.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local add = pages.read_heat.add_
  return add(12, 13)
end
return p
