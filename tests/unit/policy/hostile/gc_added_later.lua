-- expect: OK
-- A finalizer that was not there when the metatable was set is never run.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  for _ = 1, 2000 do
    local mt = {}
    setmetatable({}, mt)
    mt.__gc = function() while true do end end
  end
  return pages.read_heat
end
return p
