-- expect: EINVAL unknown name 'loadstring'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = loadstring
  return pages.read_heat
end
return p
