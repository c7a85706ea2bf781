-- expect: EINVAL more than 1048576 bytes
-- kind: predictor
-- Seven tables of a hundred entries each, but 10^14 strings when written out.
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  local s = "x"
  for _ = 1, 12 do s = s .. s end
  local t = { s }
  for _ = 1, 7 do
    local u = {}
    for i = 1, 100 do u[i] = t end
    t = u
  end
  return t
end
return p
