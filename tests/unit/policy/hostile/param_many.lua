-- expect: EINVAL more than 64 params
local params = {}
for i = 1, 1000 do params["p" .. tostring(i)] = { default = 1, help = "x" } end
return { api = 1, kind = "scorer", name = "p", version = "1", score = function() end,
  params = params }
