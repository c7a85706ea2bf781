-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local n = 65536
  local i, v = hb.iota(n), hb.vec(n, 1)
  while true do local _ = hb.scatter(n, i, v):sum() end
end
return p
