-- expect: EINVAL pairs: more than 65536 keys
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  local t = {}
  for i = 1, 65537 do t[2 * i] = true end
  return t
end
return p
