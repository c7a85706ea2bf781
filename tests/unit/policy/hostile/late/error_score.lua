-- expect: EINVAL on purpose
-- kind: scorer
-- in: score
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  if guest.pages == 100000 then
    error("on purpose")
  end
  return pages.read_heat
end
return p
