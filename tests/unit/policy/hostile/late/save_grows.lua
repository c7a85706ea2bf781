-- expect: EINVAL more than 1048576 bytes
-- kind: predictor
-- in: save
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
local real = false
function p:predict(pages, guest)
  real = guest.pages == 100000
  return pages.read_heat, pages.write_heat
end
function p:save()
  if real then
    local s = "x"
    for _ = 1, 21 do s = s .. s end
    return { s }
  end
  return { 1 }
end
return p
