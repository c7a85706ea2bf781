-- expect: EINVAL result 1 holds NaN or infinity
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat * (0 / 0)
end
return p
