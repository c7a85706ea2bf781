-- expect: EINVAL string expected, got table
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  hb.log({})
  return pages.read_heat
end
return p
