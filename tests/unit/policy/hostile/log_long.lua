-- expect: OK
-- Cut at 200 characters, control characters replaced.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local s = "\27[2J"
  for _ = 1, 16 do s = s .. s end
  hb.log(s)
  return pages.read_heat
end
return p
