-- expect: EINVAL unknown name 'print'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = print
  return pages.read_heat
end
return p
