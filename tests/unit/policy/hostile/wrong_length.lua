-- expect: EINVAL score/p.lua:3: result 1 has 4 elements, pages.n is 3
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return hb.vec(pages.n + 1)
end
return p
