-- expect: EINVAL save must return a table, not number
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  return 7
end
return p
