-- expect: ETIME stopped after
-- kind: predictor
-- in: predict
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
p.history = true
function p:predict(pages, guest)
  if guest.pages == 100000 then
    while true do
      for _, name in ipairs { "seen", "returns", "gap_dev_s", "around" } do
        rawset(pages, name, nil)
        local _ = pages[name]:sum()
      end
    end
  end
  return pages.read_heat, pages.write_heat
end
return p
