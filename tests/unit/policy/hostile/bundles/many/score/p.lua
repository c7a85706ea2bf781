-- expect: E2BIG the policy uses more than 16 files
hb.use "lib/f1"
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return pages.read_heat
end
return p
