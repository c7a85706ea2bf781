-- expect: EINVAL score/p.lua:4: second
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local c <close> = setmetatable({}, { __close = function() error("second") end })
  error("first")
end
return p
