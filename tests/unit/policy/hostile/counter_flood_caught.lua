-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local i = 0
  while true do
    i = i + 1
    pcall(hb.counter, "c" .. tostring(i), i)
  end
end
return p
