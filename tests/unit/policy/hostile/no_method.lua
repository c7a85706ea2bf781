-- expect: EINVAL a scorer needs a function 'score'
return { api = 1, kind = "scorer", name = "p", version = "1" }
