-- expect: EINVAL more than 1048576 bytes
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  local s = "x"
  for _ = 1, 21 do s = s .. s end
  return { s = s }
end
return p
