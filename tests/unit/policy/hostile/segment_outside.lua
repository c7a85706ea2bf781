-- expect: EINVAL segment_sum
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return pages.read_heat:segment_sum(pages.read_heat * 0 - 1, 3)
end
return p
