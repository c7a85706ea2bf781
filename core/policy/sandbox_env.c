/* sandbox_env: what a policy can name. Everything is listed here; what is not listed does not exist.
 *
 * Left out, and why: io, os, debug, package, require, load, dofile, print (the host); coroutine (the
 * deadline's hook belongs to one Lua thread); xpcall (its handler runs with hooks off); collectgarbage, next
 * (their results depend on memory and hash seeds); string.find, match, gmatch, gsub, rep, format and
 * table.move (C loops without bound); method calls on strings, which would bring the rest of `string` back;
 * __gc and __mode, which run or act at times nobody chose. Replaced: setmetatable (refuses those two), pairs
 * and table.sort (see sandbox_order.c), tostring (no addresses), table.* (plain tables up to
 * HB_POLICY_BATCH). So equal inputs give equal outputs in every state. */
#include "base/splitmix.h"
#include "policy/policy.h"
#include "policy/sandbox.h"
#include "policy/vec.h"
#include <lauxlib.h>
#include <lualib.h>

#define MAX_ITEMS HB_POLICY_BATCH

static int f_setmetatable(lua_State *L) {
        static const char *const refused[] = {"__gc", "__mode"};

        luaL_checktype(L, 1, LUA_TTABLE);
        luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
        if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
                return luaL_error(L, "cannot change a protected metatable");
        for (unsigned i = 0; lua_istable(L, 2) && i < 2; i++) {
                lua_pushstring(L, refused[i]);
                if (lua_rawget(L, 2) != LUA_TNIL)
                        return luaL_error(L, "setmetatable: policies cannot use %s", refused[i]);
                lua_pop(L, 1);
        }
        lua_settop(L, 2);
        lua_setmetatable(L, 1);
        return 1;
}

static int f_tostring(lua_State *L) {
        luaL_checkany(L, 1);
        if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL || lua_isnoneornil(L, 1) ||
            lua_isboolean(L, 1) || lua_type(L, 1) == LUA_TNUMBER || lua_type(L, 1) == LUA_TSTRING)
                luaL_tolstring(L, 1, NULL);
        else
                lua_pushstring(L, luaL_typename(L, 1));
        return 1;
}

/* table.*: the original (upvalue 1) on a plain table of bounded length. */
static int f_bounded(lua_State *L) {
        int args = lua_gettop(L);

        luaL_checktype(L, 1, LUA_TTABLE);
        if (lua_getmetatable(L, 1))
                return luaL_error(L, "a plain table expected, this one has a metatable");
        if (lua_rawlen(L, 1) > MAX_ITEMS)
                return luaL_error(L, "a table of at most %d elements expected", (int)MAX_ITEMS);
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, args, LUA_MULTRET);
        return lua_gettop(L);
}

/* hb.random(): [0, 1), SplitMix64 (Steele, Lea, Flood 2014) from the options' seed; the same sequence in
 * every state. */
static int f_random(lua_State *L) {
        uint64_t *state = lua_touserdata(L, lua_upvalueindex(1));

        lua_pushnumber(L, (double)(hb_splitmix64(state) >> 11) * 0x1p-53);
        return 1;
}

static int f_unknown(lua_State *L) {
        if (lua_type(L, 2) == LUA_TSTRING)
                return luaL_error(L, "unknown name '%s' (policies see the names in docs/POLICY_API.md)",
                                  lua_tostring(L, 2));
        return 0;
}

static int f_no_globals(lua_State *L) {
        return luaL_error(L, "assignment to the global '%s': say local", lua_tostring(L, 2));
}

/* Opens a standard library without leaving a trace in the registry; its table is on the stack. */
static void push_library(lua_State *L, lua_CFunction open) {
        lua_pushcfunction(L, open);
        lua_call(L, 0, 1);
}

/* Copies the named fields of the library on top of the stack into the table below it, and pops the library.
 */
static void copy_fields(lua_State *L, const char *const *names, lua_CFunction wrapper) {
        for (; *names; names++) {
                lua_getfield(L, -1, *names);
                if (wrapper)
                        lua_pushcclosure(L, wrapper, 1);
                lua_setfield(L, -3, *names);
        }
        lua_pop(L, 1);
}

static void add_library(lua_State *L, const char *name, lua_CFunction open, const char *const *names,
                        lua_CFunction wrapper) {
        lua_newtable(L);
        push_library(L, open);
        copy_fields(L, names, wrapper);
        lua_setfield(L, -2, name);
}

static void remove_string_methods(lua_State *L) {
        lua_pushliteral(L, "");
        lua_pushnil(L);
        lua_setmetatable(L, -2);
        lua_pop(L, 1);
}

static void add_base(lua_State *L) {
        static const char *const names[] = {
                "assert", "error",  "getmetatable", "ipairs",   "pcall", "rawequal", "rawget",
                "rawlen", "rawset", "select",       "tonumber", "type",  NULL};
        static const luaL_Reg own[] = {{"pairs", hb_sandbox_pairs},
                                       {"setmetatable", f_setmetatable},
                                       {"tostring", f_tostring},
                                       {NULL, NULL}};

        push_library(L, luaopen_base); /* fills the state's own globals table, which the policy never sees */
        copy_fields(L, names, NULL);
        luaL_setfuncs(L, own, 0);
}

static void add_libraries(lua_State *L) {
        static const char *const math[] = {"abs", "ceil", "exp",        "floor", "fmod",       "huge",
                                           "log", "max",  "maxinteger", "min",   "mininteger", "modf",
                                           "pi",  "sqrt", "tointeger",  "type",  "ult",        NULL};
        static const char *const string[] = {"byte", "char", "len", "lower", "reverse", "sub", "upper", NULL};
        static const char *const table[] = {"concat", "insert", "remove", "unpack", NULL};
        static const char *const pack[] = {"pack", NULL};

        add_library(L, "math", luaopen_math, math, NULL);
        add_library(L, "string", luaopen_string, string, NULL);
        add_library(L, "table", luaopen_table, table, f_bounded);
        lua_getfield(L, -1, "table");
        push_library(L, luaopen_table);
        copy_fields(L, pack, NULL);
        lua_pushcfunction(L, hb_sandbox_sort);
        lua_setfield(L, -2, "sort");
        lua_pop(L, 1);
        remove_string_methods(L);
}

static void add_hb(lua_State *L, uint64_t *random_state) {
        hb_vec_open(L);
        lua_pushlightuserdata(L, random_state);
        lua_pushcclosure(L, f_random, 1);
        lua_setfield(L, -2, "random");
        lua_pushlightuserdata(L, random_state);
        lua_pushcclosure(L, hb_vec_f_random, 1);
        lua_setfield(L, -2, "random_vec");
        lua_pushinteger(L, HB_POLICY_API);
        lua_setfield(L, -2, "api");
        lua_pushinteger(L, HB_POLICY_BUCKETS);
        lua_setfield(L, -2, "buckets");
        lua_setfield(L, -2, "hb");
}

void hb_sandbox_open_env(lua_State *L, uint64_t *random_state) {
        lua_newtable(L); /* becomes the globals */
        add_base(L);
        add_libraries(L);
        add_hb(L, random_state);
        lua_createtable(L, 0, 3);
        lua_pushcfunction(L, f_unknown);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, f_no_globals);
        lua_setfield(L, -2, "__newindex");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_setmetatable(L, -2);
        lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
