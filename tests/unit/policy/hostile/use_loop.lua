-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  while true do pcall(hb["use"], "lib/none") end
end
return p
