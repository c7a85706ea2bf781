-- expect: EINVAL unknown name 'collectgarbage'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local _ = collectgarbage
  return pages.read_heat
end
return p
