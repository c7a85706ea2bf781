-- expect: EINVAL bad argument #1 to 'setmetatable'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return setmetatable(pages.read_heat, {})
end
return p
