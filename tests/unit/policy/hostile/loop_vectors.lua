-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local x = hb.vec(65536, 1)
  while true do x = (x * 0.5 + 1):exp():log1p() end
end
return p
