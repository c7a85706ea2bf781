-- expect: EINVAL term: 'a' must be a vector or a number
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  hb.term("a", "b")
  return pages.read_heat
end
return p
