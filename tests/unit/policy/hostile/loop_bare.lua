-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  while true do end
end
return p
