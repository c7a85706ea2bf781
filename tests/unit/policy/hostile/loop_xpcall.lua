-- expect: EINVAL unknown name 'xpcall'
-- A message handler runs with hooks off: it could never be stopped by one.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return xpcall(function() while true do end end, function() while true do end end)
end
return p
