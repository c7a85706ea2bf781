-- expect: ETIME stopped after
-- The policy's own table answers the host's question for its method.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
local asked = 0
local mt = { __index = function(_, key) asked = asked + 1; while asked > 1 do end; return function() end end }
return setmetatable(p, mt)
