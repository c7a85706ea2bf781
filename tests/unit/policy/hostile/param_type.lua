-- expect: EINVAL params.w: the type is
return { api = 1, kind = "scorer", name = "p", version = "1", score = function() end,
  params = { w = { default = 2, type = "string", help = "x" } } }
