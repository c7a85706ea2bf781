-- expect: EINVAL unknown name 'getfenv'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  getfenv(0)
end
return p
