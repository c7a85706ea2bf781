/* sandbox_order: the two things in Lua whose order depends on the state or the time of day, made to depend on
 * the data only.
 *
 * pairs: Lua goes through a table by hashes, seeded anew in each state; here keys come sorted, from a list
 * made at the start. table.sort: Lua's quicksort picks pivots by the clock when a partition is bad, and so
 * may order equal elements differently; here it is a merge sort, which also keeps equal elements in their
 * order. Cost: O(n log n), n at most HB_POLICY_BATCH. */
#include "policy/policy.h"
#include "policy/sandbox.h"
#include <lauxlib.h>
#include <string.h>

#define MAX_ITEMS HB_POLICY_BATCH

/* Numbers before booleans before strings; within each the natural order, so that it does not depend on the
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

int hb_sandbox_pairs(lua_State *L) {
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

/* Stack: 1 the table, 2 the comparison or nil, 3 and 4 the lists that are merged from and to. */
enum { COMPARE = 2, FROM, TO };

/* Whether the element at `right` must come before the one at `left`; both indices of FROM. */
static int comes_first(lua_State *L, lua_Integer right, lua_Integer left) {
        int first;

        if (lua_isnil(L, COMPARE)) {
                lua_rawgeti(L, FROM, right);
                lua_rawgeti(L, FROM, left);
                first = lua_compare(L, -2, -1, LUA_OPLT);
                lua_pop(L, 2);
                return first;
        }
        lua_pushvalue(L, COMPARE);
        lua_rawgeti(L, FROM, right);
        lua_rawgeti(L, FROM, left);
        lua_call(L, 2, 1);
        first = lua_toboolean(L, -1);
        lua_pop(L, 1);
        return first;
}

/* Merges the runs [low, middle) and [middle, high) of FROM into TO. */
static void merge(lua_State *L, lua_Integer low, lua_Integer middle, lua_Integer high) {
        lua_Integer left = low, right = middle;

        for (lua_Integer at = low; at < high; at++) {
                int take_right = left == middle || (right < high && comes_first(L, right, left));
                lua_rawgeti(L, FROM, take_right ? right++ : left++);
                lua_rawseti(L, TO, at);
        }
}

static lua_Integer least(lua_Integer a, lua_Integer b) {
        return a < b ? a : b;
}

/* Copies elements 1..n between two tables on the stack. */
static void copy_list(lua_State *L, int from, int to, lua_Integer n) {
        for (lua_Integer i = 1; i <= n; i++) {
                lua_rawgeti(L, from, i);
                lua_rawseti(L, to, i);
        }
}

int hb_sandbox_sort(lua_State *L) {
        lua_Integer n;

        luaL_checktype(L, 1, LUA_TTABLE);
        n = (lua_Integer)lua_rawlen(L, 1);
        if (lua_getmetatable(L, 1))
                return luaL_error(L, "sort: a plain table expected, this one has a metatable");
        if (n > (lua_Integer)MAX_ITEMS)
                return luaL_error(L, "sort: more than %d elements", (int)MAX_ITEMS);
        if (!lua_isnoneornil(L, 2))
                luaL_checktype(L, 2, LUA_TFUNCTION);
        lua_settop(L, 2);
        lua_createtable(L, (int)n, 0);
        lua_createtable(L, (int)n, 0);
        copy_list(L, 1, FROM, n);
        for (lua_Integer width = 1; width < n; width *= 2) {
                for (lua_Integer low = 1; low <= n; low += 2 * width)
                        merge(L, low, least(low + width, n + 1), least(low + 2 * width, n + 1));
                lua_rotate(L, FROM, 1); /* what was merged to is merged from next */
        }
        copy_list(L, FROM, 1, n);
        return 0;
}
