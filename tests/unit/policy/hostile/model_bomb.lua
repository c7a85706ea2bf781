-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
p.history = true
function p:score(pages, link, guest)
  local h = 0
  local kept = {}
  while true do
    h = h + 1e-3
    kept[#kept + 1] = hb.vec(65536, 1):copy()
    kept[#kept + 1] = pages:model(h)
  end
end
return p
