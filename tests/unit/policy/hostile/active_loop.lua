-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
p.history = true
function p:score(pages, link, guest)
  while true do local _ = pages:active(0, 300):sum() end
end
return p
