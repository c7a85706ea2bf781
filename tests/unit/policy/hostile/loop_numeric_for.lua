-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  for _ = math.mininteger, math.maxinteger do end
end
return p
