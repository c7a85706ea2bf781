-- expect: EINVAL unknown name 'dofile'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = dofile
  return pages.read_heat
end
return p
