-- expect: EINVAL kind is 'predictor'
return { api = 1, kind = "predictor", name = "p", version = "1", predict = function() end }
