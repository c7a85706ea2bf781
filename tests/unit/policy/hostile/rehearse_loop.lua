-- expect: ETIME stopped after
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:rehearse()
  while true do end
end
return p
