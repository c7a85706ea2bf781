-- expect: EINVAL these are not the pages of this call
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
local old
function p:score(pages)
  local stale = old
  old = pages
  return stale and stale.block or pages.heat
end
return p
