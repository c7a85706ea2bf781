-- expect: EINVAL C stack overflow
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })
  return t[1]
end
return p
