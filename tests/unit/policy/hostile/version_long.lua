-- expect: EINVAL version must have 1 to 31 characters
return { api = 1, kind = "scorer", name = "p", version = "0123456789012345678901234567890123456789", score = function() end }
