-- expect: ETIME stopped after
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
p.history = true
function p:predict(pages, guest)
  if guest.pages == 100000 then
    local h = 0
    while true do
      h = h + 1e-3
      local _ = pages:model(h)
    end
  end
  return pages.read_heat, pages.write_heat
end
return p
