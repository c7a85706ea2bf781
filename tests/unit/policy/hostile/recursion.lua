-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
local function deep(n)
  return 1 + deep(n + 1)
end
function p:score(pages)
  return deep(0)
end
return p
