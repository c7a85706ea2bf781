-- expect: EINVAL the function 'score' is gone
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  p.score = nil
  return pages.read_heat
end
return p
