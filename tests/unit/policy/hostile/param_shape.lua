-- expect: EINVAL params must be name = { default
return { api = 1, kind = "scorer", name = "p", version = "1", score = function() end, params = { w = 2 } }
