-- expect: EINVAL result 1 has 3 elements
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  if guest.pages == 100000 then
    return hb.vec(3), hb.vec(3)
  end
  return pages.read_heat, pages.write_heat
end
return p
