-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
p.history = true
function p:score(pages, link, guest)
  local h = 0
  while true do
    h = h + 1e-3
    local _ = pages:model(h)
  end
end
return p
