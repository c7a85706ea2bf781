-- expect: EINVAL score/p.lua:4: on purpose
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  error("on purpose")
end
return p
