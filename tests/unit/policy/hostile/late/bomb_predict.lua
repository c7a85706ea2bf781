-- expect: ENOMEM not enough memory
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  if guest.pages == 100000 then
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end
  return pages.read_heat, pages.write_heat
end
return p
