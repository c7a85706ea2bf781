-- expect: ETIME stopped after
local trap = setmetatable({}, { __index = function() while true do end end })
return { api = 1, kind = "scorer", name = "p", version = "1", score = function() end,
  params = { w = trap } }
