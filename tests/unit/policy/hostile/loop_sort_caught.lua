-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local t = {}
  for i = 1, 60000 do t[i] = i end
  while true do pcall(table.sort, t, function() error("no") end) end
end
return p
