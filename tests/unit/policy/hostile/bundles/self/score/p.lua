-- expect: ELOOP score/p.lua:2: hb.use: 'score/p' uses this file
hb.use "score/p"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
