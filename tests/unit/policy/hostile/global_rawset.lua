-- expect: OK
-- It may spoil its own tables.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  rawset(pages, "read_heat", 1)
  pages.write_heat = nil
  return hb.vec(pages.n, 0.5)
end
return p
