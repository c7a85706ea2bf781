-- expect: EINVAL unknown name '_G'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return _G
end
return p
