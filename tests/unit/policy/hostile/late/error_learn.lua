-- expect: EINVAL on purpose
-- kind: predictor
-- in: learn
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages, guest)
  return pages.read_heat, pages.write_heat
end
function p:learn(outcome, guest)
  if guest.pages == 100000 then
    error("on purpose")
  end
end
return p
