-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local v = hb.iota(65536)
  while true do local _ = v:quantile(0.5) end
end
return p
