-- expect: EINVAL iota
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return hb.iota(1e9)
end
return p
