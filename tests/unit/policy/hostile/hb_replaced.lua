-- expect: EINVAL attempt to call a nil value (field 'vec')
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  hb.vec = nil
  return hb.vec(pages.n)
end
return p
