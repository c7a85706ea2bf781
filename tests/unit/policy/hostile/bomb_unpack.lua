-- expect: EINVAL too many results to unpack
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return table.unpack({}, 1, 1e8)
end
return p
