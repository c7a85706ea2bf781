-- expect: ETIME stopped after
hb.use "lib/x"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
