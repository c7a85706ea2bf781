-- expect: EINVAL score/p.lua:2: hb.use needs a file's name
hb.use "../../etc/passwd"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
