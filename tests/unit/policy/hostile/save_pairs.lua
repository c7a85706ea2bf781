-- expect: EINVAL save: the value has a metatable
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
function p:save()
  return setmetatable({}, { __pairs = function() return function() return 1, 1 end end })
end
return p
