-- luacheck for policies: what a policy may name (docs/POLICY_API.md), and nothing else.
std = {
  read_globals = {
    "assert", "error", "getmetatable", "ipairs", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select",
    "setmetatable", "tonumber", "tostring", "type",
    hb = { fields = { "api", "buckets", "max", "min", "random", "vec", "where" } },
    math = {
      fields = {
        "abs", "ceil", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min", "mininteger", "modf", "pi", "sqrt",
        "tointeger", "type", "ult",
      },
    },
    string = { fields = { "byte", "char", "len", "lower", "reverse", "sub", "upper" } },
    table = { fields = { "concat", "insert", "pack", "remove", "sort", "unpack" } },
  },
}
max_line_length = 130
self = false -- a method need not use its parameters
exclude_files = { "**/harbinger.d.lua" } -- for editors; wherever luacheck was started
