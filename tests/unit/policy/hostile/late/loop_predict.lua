-- expect: ETIME stopped after
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  if guest.pages == 100000 then
    while true do end
  end
  return pages.read_heat, pages.write_heat
end
return p
