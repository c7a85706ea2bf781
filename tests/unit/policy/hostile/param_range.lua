-- expect: EINVAL params.w: the default must lie between min and max
return { api = 1, kind = "scorer", name = "p", version = "1", score = function() end,
  params = { w = { default = 2, min = 0, max = 1, help = "x" } } }
