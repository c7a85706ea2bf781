-- expect: EINVAL unknown name 'coroutine'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return coroutine.wrap(function() while true do end end)()
end
return p
