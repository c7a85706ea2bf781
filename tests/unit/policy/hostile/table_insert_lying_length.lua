-- expect: EINVAL a plain table expected
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  table.insert(setmetatable({}, { __len = function() return 1e15 end }), 1, 0)
end
return p
