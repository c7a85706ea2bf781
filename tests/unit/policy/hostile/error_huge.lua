-- expect: EINVAL xxxx
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  local s = "xxxxxxxxxxxxxxxx"
  for _ = 1, 16 do s = s .. s end
  error(s)
end
return p
