-- expect: EINVAL result 2 holds NaN or infinity
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  if guest.pages == 100000 then
    return pages.read_heat, hb.vec(pages.n, 3e38) * 10
  end
  return pages.read_heat, pages.write_heat
end
return p
