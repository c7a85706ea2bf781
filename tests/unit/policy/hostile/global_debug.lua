-- expect: EINVAL unknown name 'debug'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = debug
  return pages.read_heat
end
return p
