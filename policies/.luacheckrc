-- luacheck for policies: what a policy may name (docs/POLICY_API.md), and nothing else.
std = {
  read_globals = {
    "assert", "error", "getmetatable", "ipairs", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select",
    "setmetatable", "tonumber", "tostring", "type",
    hb = {
      fields = {
        "api", "buckets", "counter", "iota", "log", "max", "min", "note", "random", "random_vec", "scatter", "term", "use",
        "vec", "where",
      },
    },
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
files["**/*_spec.lua"] = { std = "lua54+busted" } -- they run outside of the sandbox (harbinger policy test)
max_line_length = 130
self = false -- a method need not use its parameters
exclude_files = { "**/harbinger.d.lua" } -- for editors; wherever luacheck was started
