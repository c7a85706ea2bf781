-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local s, t = "x", {}
  for _ = 1, 20 do s = s .. s end
  for i = 1, 64 do t[i] = s end
  return table.concat(t)
end
return p
