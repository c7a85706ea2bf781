-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local v = hb.vec(65536, 1)
  while true do v = v:cumsum() * 0 end
end
return p
