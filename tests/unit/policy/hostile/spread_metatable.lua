-- expect: EINVAL spread: run 1: 'gfn' must be a number
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local run = setmetatable({}, { __index = function() while true do end end })
  return pages:spread { run }
end
return p
