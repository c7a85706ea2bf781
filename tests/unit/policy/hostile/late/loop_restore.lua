-- expect: ETIME stopped after
-- kind: scorer
-- in: restore
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
local real = false
function p:score(pages, link, guest)
  real = guest.pages == 100000
  return pages.read_heat
end
function p:save()
  return { real }
end
function p:restore(data)
  if data[1] then
    while true do end
  end
end
return p
