-- expect: ENOMEM not enough memory
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
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end
  return { 1 }
end
return p
