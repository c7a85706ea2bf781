-- expect: EINVAL spread: more than 65536 runs
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local runs = {}
  for i = 1, 65537 do runs[i] = { gfn = i } end
  return pages:spread(runs)
end
return p
