-- expect: EINVAL attempt to index a string value
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return ("x"):rep(1e9)
end
return p
