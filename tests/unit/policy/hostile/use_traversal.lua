-- expect: EINVAL there is no '../../etc/passwd'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  return hb["use"]("../../etc/passwd")
end
return p
