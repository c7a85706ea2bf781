-- expect: EINVAL '__index' chain too long
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score()
  local t = {}
  setmetatable(t, { __index = t })
  return t.x
end
return p
