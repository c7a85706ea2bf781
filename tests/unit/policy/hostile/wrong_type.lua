-- expect: EINVAL result 1 must be a vector, not number
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return 1
end
return p
