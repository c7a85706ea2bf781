-- expect: ELOOP lib/b.lua:1: hb.use: 'lib/a' uses this file
hb.use "lib/a"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
