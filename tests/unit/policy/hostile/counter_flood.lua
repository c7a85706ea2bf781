-- expect: EINVAL is one more than the 32
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  for i = 1, 1e6 do hb.counter("c" .. tostring(i), i) end
  return pages.read_heat
end
return p
