-- expect: EINVAL is NaN or infinity
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return pages:spread { { gfn = 0 / 0 } }
end
return p
