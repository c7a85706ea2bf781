-- expect: ENOMEM not enough memory
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:learn()
  local t = {}
  for i = 1, 1e9 do t[i] = { i } end
end
return p
