-- expect: EINVAL counter: names are 1 to 31
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  hb.counter("a\nb", 1)
  return pages.read_heat
end
return p
