-- expect: ENOMEM not enough memory
-- kind: predictor
-- in: observe
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
local kept = {}
function p:predict(pages, guest)
  return pages.read_heat, pages.write_heat
end
function p:observe(epoch, guest)
  if guest.pages == 100000 then
    for _ = 1, 400 do kept[#kept + 1] = epoch.runs end
    for i = 1, 4000 do kept[#kept + 1] = hb.vec(256, i):copy() end
  end
end
return p
