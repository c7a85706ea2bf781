-- expect: EINVAL is deeper than 8 tables
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  local t = {}
  t.t = t
  return t
end
return p
