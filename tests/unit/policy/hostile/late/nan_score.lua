-- expect: EINVAL result 1 holds NaN or infinity
-- kind: scorer
-- in: score
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  if guest.pages == 100000 then
    return pages.read_heat * 3e38 * 3e38
  end
  return pages.read_heat
end
return p
