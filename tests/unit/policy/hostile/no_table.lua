-- expect: EINVAL a policy's file returns its table, this one returns nil
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
