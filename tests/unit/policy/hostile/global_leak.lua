-- expect: EINVAL assignment to the global 'leaked': say local
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  leaked = 1
  return pages.read_heat
end
return p
