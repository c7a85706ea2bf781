-- expect: EINVAL string expected
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return hb["use"]({})
end
return p
