-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local t = {}
  while true do t = { t, {}, {} } end
end
return p
