-- expect: EINVAL field 'rep'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return string.rep("x", 1e9)
end
return p
