-- expect: EINVAL attempt to index a string value
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return ("x"):find("x")
end
return p
