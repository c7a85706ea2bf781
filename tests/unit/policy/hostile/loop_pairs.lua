-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = {}
  for i = 1, 60000 do t["k" .. i] = i end
  while true do
    for _ in pairs(t) do end
  end
end
return p
