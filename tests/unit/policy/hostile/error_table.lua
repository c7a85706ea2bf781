-- expect: EINVAL an error value that is no string but a table
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  error({ code = 1 })
end
return p
