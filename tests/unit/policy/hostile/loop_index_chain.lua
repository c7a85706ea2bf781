-- expect: EINVAL C stack overflow
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local t = {}
  setmetatable(t, { __index = function(s, k) return s[k + 1] end })
  return t[1]
end
return p
