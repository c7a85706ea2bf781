-- expect: EINVAL pairs: a key that is a table has no order
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  for _ in pairs({ [{}] = 1 }) do end
  return pages.read_heat
end
return p
