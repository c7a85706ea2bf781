-- expect: EINVAL predict/p.lua:8: on purpose
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:observe()
  error("on purpose")
end
return p
