-- expect: EINVAL field 'find'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return string.find("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a?a?a?a?a?a?a?aaaaaaaaab")
end
return p
