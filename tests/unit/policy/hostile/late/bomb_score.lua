-- expect: ENOMEM not enough memory
-- kind: scorer
-- in: score
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  if guest.pages == 100000 then
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end
  return pages.read_heat
end
return p
