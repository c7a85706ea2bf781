-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local t = {}
  for i = 1, 1e6 do t[i] = hb.scatter(65536, hb.vec(1, 1), hb.vec(1, i)) end
end
return p
