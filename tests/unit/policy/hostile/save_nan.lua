-- expect: EINVAL save: a.b is NaN or infinity
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  return { a = { b = 0 / 0 } }
end
return p
