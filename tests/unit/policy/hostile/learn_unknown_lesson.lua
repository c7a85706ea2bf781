-- expect: EINVAL attempt to index a nil value
-- kind: predictor
-- A policy that was started afresh hears of lessons it has forgotten.
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
local said = {}
function p:rehearse(pages, _, lesson)
  said[lesson] = pages.read_heat:copy()
end
function p:learn(outcome)
  local _ = said[outcome.lesson]:sum()
end
return p
