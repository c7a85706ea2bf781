-- expect: ENOENT score/p.lua:2: hb.use: there is no 'lib/none'
hb.use "lib/none"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
