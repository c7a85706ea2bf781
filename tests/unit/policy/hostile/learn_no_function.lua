-- expect: EINVAL the policy's 'learn' must be a function
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
p.learn = {}
return p
