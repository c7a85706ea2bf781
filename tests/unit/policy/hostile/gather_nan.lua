-- expect: EINVAL gather
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return pages.read_heat:gather(hb.vec(pages.n, 3e38) * 10)
end
return p
