-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local v, i = pages.read_heat:copy(), hb.iota(pages.n)
  while true do v = v:gather(i) end
end
return p
