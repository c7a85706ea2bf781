-- expect: EINVAL gather
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return pages.read_heat:gather(hb.iota(pages.n) + 1)
end
return p
