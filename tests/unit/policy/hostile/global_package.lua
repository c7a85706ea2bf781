-- expect: EINVAL unknown name 'package'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = package
  return pages.read_heat
end
return p
