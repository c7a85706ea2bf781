-- expect: EINVAL assignment to the global
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  _ENV.x = 1
  return pages.read_heat
end
return p
