-- expect: ENOMEM not enough memory
-- kind: predictor
-- in: rehearse
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  return pages.read_heat, pages.write_heat
end
function p:rehearse(pages, guest, lesson)
  if guest.pages == 100000 then
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end
end
return p
