-- expect: EINVAL unknown name 'next'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = next
  return pages.read_heat
end
return p
