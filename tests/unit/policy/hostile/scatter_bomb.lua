-- expect: EINVAL scatter
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return hb.scatter(1e9, hb.vec(1, 1), hb.vec(1, 1))
end
return p
