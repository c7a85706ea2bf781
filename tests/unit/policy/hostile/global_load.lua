-- expect: EINVAL unknown name 'load'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = load
  return pages.read_heat
end
return p
