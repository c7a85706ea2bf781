-- expect: EINVAL attempt to index a string value
-- What getmetatable shows of a vector is its name.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  getmetatable(pages.read_heat).__index = function() end
end
return p
