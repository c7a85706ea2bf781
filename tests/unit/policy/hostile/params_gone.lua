-- expect: EINVAL attempt to index a nil value
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
p.params = { x = { default = 1, help = "x" } }
function p:score(pages, link, guest)
  local x = self.params.x
  self.params = nil
  return pages.read_heat * x
end
return p
