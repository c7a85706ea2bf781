-- expect: EINVAL unknown name 'os'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = os
  return pages.read_heat
end
return p
