-- expect: EINVAL score/p.lua:4: unexpected symbol near '+'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat + + 1
end
return p
