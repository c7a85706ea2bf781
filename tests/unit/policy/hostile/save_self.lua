-- expect: EINVAL is a function
-- kind: predictor
-- The policy itself is no plain data.
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  return self
end
return p
