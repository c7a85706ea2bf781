-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = {}
  for i = 1, 1e9 do t[i] = i end
end
return p
