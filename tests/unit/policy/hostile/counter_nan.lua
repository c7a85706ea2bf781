-- expect: EINVAL counter: 'a' is NaN or infinity
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  hb.counter("a", 0 / 0)
  return pages.read_heat
end
return p
