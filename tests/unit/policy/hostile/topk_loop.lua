-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local v = hb.iota(65536)
  while true do local _ = v:topk(1000):sum() end
end
return p
