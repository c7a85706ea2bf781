-- expect: ETIME stopped after
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  ::top::
  goto top
end
return p
