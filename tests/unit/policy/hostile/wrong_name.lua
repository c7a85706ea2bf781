-- expect: EINVAL name is 'q', the file's is 'p'
return { api = 1, kind = "scorer", name = "q", version = "1", score = function() end }
