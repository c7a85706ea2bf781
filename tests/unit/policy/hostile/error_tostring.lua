-- expect: EINVAL an error value that is no string but a table
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  error(setmetatable({}, { __tostring = function() while true do end end }))
end
return p
