-- expect: EINVAL policies cannot use __mode
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  setmetatable({}, { __mode = "k" })
  return pages.read_heat
end
return p
