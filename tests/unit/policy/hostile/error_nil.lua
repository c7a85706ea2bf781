-- expect: EINVAL an error value that is no string but a nil
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  error(nil)
end
return p
