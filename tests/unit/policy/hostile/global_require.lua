-- expect: EINVAL unknown name 'require'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = require
  return pages.read_heat
end
return p
