/* sandbox_env: what a policy can name. Everything is listed here; what is not listed does not exist.
 *
 * Left out, and why: io, os, debug, package, require, load, dofile, print (the host); coroutine (the
 * deadline's hook belongs to one Lua thread); xpcall (its handler runs with hooks off); collectgarbage, next
 * (their results depend on memory and hash seeds); string.find, match, gmatch, gsub, rep, format and
 * table.move (C loops without bound); method calls on strings, which would bring the rest of `string` back;
 * __gc and __mode, which run or act at times nobody chose. Replaced: setmetatable (refuses those two), pairs
 * (sorted keys: Lua's own order differs from state to state), tostring (no addresses), table.* (plain tables
 * up to HB_POLICY_BATCH). So equal inputs give equal outputs in every state. */
#include "policy/policy.h"
#include "policy/sandbox.h"
#include "policy/vec.h"
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

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

/* Numbers before strings before booleans; within each the natural order, so that it does not depend on the
 * state. */
struct key {
        int type; /* 0: number */
        bool integer;
        lua_Integer whole;
        double number;
        const char *text;
        size_t length;
};

static int compare_keys(const void *pa, const void *pb) {
        const struct key *a = pa, *b = pb;
        int rc;

        if (a->type != b->type)
                return a->type < b->type ? -1 : 1;
        if (a->integer && b->integer)
                return (a->whole > b->whole) - (a->whole < b->whole);
        if (a->type != LUA_TSTRING)
                return (a->number > b->number) - (a->number < b->number);
        rc = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
        return rc ? rc : (a->length > b->length) - (a->length < b->length);
}

static void read_key(lua_State *L, int index, struct key *k) {
        int type = lua_type(L, index);

        memset(k, 0, sizeof *k);
        k->type = type == LUA_TNUMBER ? 0 : type;
        if (type == LUA_TNUMBER) {
                k->number = lua_tonumber(L, index);
                k->integer = lua_isinteger(L, index);
                k->whole = lua_tointeger(L, index);
        } else if (type == LUA_TBOOLEAN)
                k->number = lua_toboolean(L, index);
        else if (type == LUA_TSTRING)
                k->text = lua_tolstring(L, index, &k->length);
        else
                luaL_error(L, "pairs: a key that is a %s has no order", lua_typename(L, type));
}

static void push_key(lua_State *L, const struct key *k) {
        if (k->type == LUA_TSTRING)
                lua_pushlstring(L, k->text, k->length);
        else if (k->type == LUA_TBOOLEAN)
                lua_pushboolean(L, k->number != 0);
        else if (k->integer)
                lua_pushinteger(L, k->whole);
        else
                lua_pushnumber(L, k->number);
}

/* Heap sort in place: qsort may call malloc, which work under the guard must not. */
static void sift(struct key *keys, size_t root, size_t n) {
        for (size_t child; (child = 2 * root + 1) < n; root = child) {
                struct key swap = keys[root];
                if (child + 1 < n && compare_keys(&keys[child], &keys[child + 1]) < 0)
                        child++;
                if (compare_keys(&swap, &keys[child]) >= 0)
                        return;
                keys[root] = keys[child];
                keys[child] = swap;
        }
}

static void sort_keys(struct key *keys, size_t n) {
        for (size_t i = n / 2; i-- > 0;)
                sift(keys, i, n);
        for (size_t end = n; end-- > 1;) {
                struct key top = keys[0];
                keys[0] = keys[end];
                keys[end] = top;
                sift(keys, 0, end);
        }
}

/* Upvalues: the table, its keys as a list, the position. Keys removed on the way are skipped, new ones are
 * not seen. */
static int pairs_step(lua_State *L) {
        lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));

        for (;;) {
                i++;
                if (lua_rawgeti(L, lua_upvalueindex(2), i) == LUA_TNIL)
                        return 1;
                lua_pushvalue(L, -1);
                if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
                        break;
                lua_pop(L, 2);
        }
        lua_pushinteger(L, i);
        lua_replace(L, lua_upvalueindex(3));
        return 2;
}

static size_t count_keys(lua_State *L) {
        size_t n = 0;

        for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
                if (++n > MAX_ITEMS)
                        luaL_error(L, "pairs: more than %d keys", (int)MAX_ITEMS);
        return n;
}

static int f_pairs(lua_State *L) {
        struct key *keys;
        size_t n, i = 0;

        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        n = count_keys(L);
        keys = lua_newuserdatauv(L, n * sizeof *keys + 1, 0);
        for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
                read_key(L, -2, &keys[i++]);
        sort_keys(keys, n);
        lua_pushvalue(L, 1);
        lua_createtable(L, (int)n, 0);
        for (i = 0; i < n; i++) {
                push_key(L, &keys[i]);
                lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, pairs_step, 3);
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
        uint64_t *state = lua_touserdata(L, lua_upvalueindex(1)), z = *state += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        lua_pushnumber(L, (double)((z ^ z >> 31) >> 11) * 0x1p-53);
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
        static const luaL_Reg own[] = {
                {"pairs", f_pairs}, {"setmetatable", f_setmetatable}, {"tostring", f_tostring}, {NULL, NULL}};

        push_library(L, luaopen_base); /* fills the state's own globals table, which the policy never sees */
        copy_fields(L, names, NULL);
        luaL_setfuncs(L, own, 0);
}

static void add_libraries(lua_State *L) {
        static const char *const math[] = {"abs", "ceil", "exp",        "floor", "fmod",       "huge",
                                           "log", "max",  "maxinteger", "min",   "mininteger", "modf",
                                           "pi",  "sqrt", "tointeger",  "type",  "ult",        NULL};
        static const char *const string[] = {"byte", "char", "len", "lower", "reverse", "sub", "upper", NULL};
        static const char *const table[] = {"concat", "insert", "remove", "sort", "unpack", NULL};
        static const char *const pack[] = {"pack", NULL};

        add_library(L, "math", luaopen_math, math, NULL);
        add_library(L, "string", luaopen_string, string, NULL);
        add_library(L, "table", luaopen_table, table, f_bounded);
        lua_getfield(L, -1, "table");
        push_library(L, luaopen_table);
        copy_fields(L, pack, NULL);
        lua_pop(L, 1);
        remove_string_methods(L);
}

static void add_hb(lua_State *L, uint64_t *random_state) {
        hb_vec_open(L);
        lua_pushlightuserdata(L, random_state);
        lua_pushcclosure(L, f_random, 1);
        lua_setfield(L, -2, "random");
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
