-- expect: EINVAL red?[31m?alert
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  error("red\27[31m\nalert")
end
return p
