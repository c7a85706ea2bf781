-- expect: EINVAL written for policy API 99
return { api = 99, kind = "scorer", name = "p", version = "1", score = function() end }
