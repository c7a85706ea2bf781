-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = {}
  for i = 1, 1e6 do t[i] = hb.vec(65536, i):copy() end
end
return p
