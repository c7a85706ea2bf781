-- expect: EINVAL unknown name 'io'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = io
  return pages.read_heat
end
return p
