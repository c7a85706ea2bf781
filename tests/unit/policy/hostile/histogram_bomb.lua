-- expect: EINVAL histogram
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return pages.read_heat:histogram(0, 1, 1e9)
end
return p
