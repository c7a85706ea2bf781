-- expect: EINVAL result 1 must be a vector, not nil
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
end
return p
