-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local s = "harbinger"
  while true do s = s .. s end
end
return p
