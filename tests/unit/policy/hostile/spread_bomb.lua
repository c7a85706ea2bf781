-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local runs = {}
  for i = 1, 65536 do runs[i] = { gfn = 0, pages = 1e9, value = i } end
  while true do local _ = pages:spread(runs):sum() end
end
return p
