-- expect: OK
-- kind: scorer
-- in: score
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  if guest.pages == 100000 then
    for i = 1, 1000 do hb.log(tostring(i)) end
    for i = 1, 32 do hb.counter("c" .. tostring(i), i) end
    hb.note("flooding")
  end
  return pages.read_heat
end
return p
