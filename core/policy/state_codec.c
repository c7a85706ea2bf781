/* state_codec: see the header. Both directions touch only the Lua state and memory that was there before, so
 * a deadline may cut them anywhere. Invariant of decoding: depth and sizes are bounded by the bytes at hand.
 */
#include "policy/state_codec.h"
#include "base/bytes.h"
#include "policy/policy.h"
#include "policy/sandbox.h"
#include "policy/vec.h"
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define MAGIC   "HBST"
#define VERSION 1
#define LOOK    256u /* values between two looks at the clock */

enum tag { FALSE, TRUE, INTEGER, NUMBER, STRING, VECTOR, TABLE };

/* ---- to bytes ---- */

struct encoder {
        lua_State *L;
        uint8_t *at, *end;
        unsigned depth, values;
        int path[HB_STATE_DEPTH]; /* stack indices of the keys on the way down */
};

/* "weights.3.f": the keys on the way to the value that is being encoded. */
static const char *push_path(struct encoder *e) {
        lua_State *L = e->L;
        luaL_Buffer b;

        if (!e->depth)
                return lua_pushliteral(L, "the value");
        luaL_buffinit(L, &b);
        for (unsigned i = 0; i < e->depth; i++) {
                if (i)
                        luaL_addchar(&b, '.');
                luaL_tolstring(L, e->path[i], NULL);
                luaL_addvalue(&b);
        }
        luaL_pushresult(&b);
        return lua_tostring(L, -1);
}

static void put(struct encoder *e, const void *data, size_t size) {
        if (size > (size_t)(e->end - e->at))
                luaL_error(e->L, "save: more than %d bytes", (int)HB_STATE_MAX);
        if (size)
                memcpy(e->at, data, size);
        e->at += size;
}

static void put_u8(struct encoder *e, uint8_t v) {
        put(e, &v, 1);
}

static void put_varint(struct encoder *e, uint64_t v) {
        for (; v >= 0x80; v >>= 7)
                put_u8(e, (uint8_t)(v | 0x80));
        put_u8(e, (uint8_t)v);
}

static void put_value(struct encoder *e, int index);

static void put_number(struct encoder *e, int index) {
        if (lua_isinteger(e->L, index)) {
                uint64_t v = (uint64_t)lua_tointeger(e->L, index);
                put_u8(e, INTEGER);
                put_varint(e, v << 1 ^ (v >> 63 ? ~0ull : 0));
        } else {
                double v = lua_tonumber(e->L, index);
                if (!isfinite(v))
                        luaL_error(e->L, "save: %s is NaN or infinity", push_path(e));
                put_u8(e, NUMBER);
                put(e, &v, sizeof v); /* little-endian, as everything here */
        }
}

static void put_string(struct encoder *e, int index) {
        size_t n;
        const char *s = lua_tolstring(e->L, index, &n);

        put_u8(e, STRING);
        put_varint(e, n);
        put(e, s, n);
}

static void put_vector(struct encoder *e, int index, uint32_t n) {
        const float *v = hb_vec_values(e->L, index);

        if (!hb_vec_all_finite(v, n))
                luaL_error(e->L, "save: %s holds NaN or infinity", push_path(e));
        put_u8(e, VECTOR);
        put_varint(e, n);
        put(e, v, n * sizeof *v);
}

/* The table's iterator as pairs gives it, in a fixed order. */
static void push_iterator(lua_State *L, int index) {
        lua_pushcfunction(L, hb_sandbox_pairs);
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
}

static size_t count_pairs(struct encoder *e, int index) {
        lua_State *L = e->L;
        size_t n = 0;

        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
                int type = lua_type(L, -2);
                if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN)
                        luaL_error(L, "save: %s has a key that is a %s", push_path(e), lua_typename(L, type));
                n++;
        }
        return n;
}

static void put_pair(struct encoder *e, int key, int value) {
        put_value(e, key);
        e->path[e->depth++] = key;
        put_value(e, value);
        e->depth--;
}

/* Whether the n keys are 1 to n, the usual case, which needs no sorting. */
static bool is_list(lua_State *L, int index, size_t n) {
        bool list = lua_rawlen(L, index) == n;

        for (size_t i = 1; i <= n && list; i++) {
                list = lua_rawgeti(L, index, (lua_Integer)i) != LUA_TNIL;
                lua_pop(L, 1);
        }
        return list;
}

static void put_list(struct encoder *e, int index, size_t n) {
        int top = lua_gettop(e->L);

        for (size_t i = 1; i <= n; i++) {
                lua_pushinteger(e->L, (lua_Integer)i);
                lua_rawgeti(e->L, index, (lua_Integer)i);
                put_pair(e, top + 1, top + 2);
                lua_settop(e->L, top);
        }
}

static void put_sorted(struct encoder *e, int index) {
        lua_State *L = e->L;
        int top = lua_gettop(L);

        push_iterator(L, index);
        for (;;) {
                lua_pushvalue(L, top + 1);
                lua_call(L, 0, 2);
                if (lua_isnil(L, -2))
                        break;
                put_pair(e, top + 2, top + 3);
                lua_settop(L, top + 1);
        }
        lua_settop(L, top);
}

static void put_table(struct encoder *e, int index) {
        lua_State *L = e->L;
        size_t n;

        if (lua_getmetatable(L, index))
                luaL_error(L, "save: %s has a metatable; plain tables can be saved", push_path(e));
        if (e->depth == HB_STATE_DEPTH)
                luaL_error(L, "save: %s is deeper than %d tables", push_path(e), HB_STATE_DEPTH);
        luaL_checkstack(L, 16, "save");
        n = count_pairs(e, index);
        put_u8(e, TABLE);
        put_varint(e, n);
        if (is_list(L, index, n))
                put_list(e, index, n);
        else
                put_sorted(e, index);
}

static void put_value(struct encoder *e, int index) {
        lua_State *L = e->L;
        const struct hb_vec_node *node;

        if (++e->values % LOOK == 0)
                hb_sandbox_look_at_clock(L);
        switch (lua_type(L, index)) {
        case LUA_TBOOLEAN:
                put_u8(e, lua_toboolean(L, index) ? TRUE : FALSE);
                return;
        case LUA_TNUMBER:
                put_number(e, index);
                return;
        case LUA_TSTRING:
                put_string(e, index);
                return;
        case LUA_TTABLE:
                put_table(e, index);
                return;
        }
        node = hb_vec_test(L, index);
        if (!node)
                luaL_error(L, "save: %s is a %s; numbers, strings, booleans, vectors and tables can be saved",
                           push_path(e), luaL_typename(L, index));
        else
                put_vector(e, index, node->n);
}

size_t hb_policy_state_encode(lua_State *L, void *out, size_t room) {
        struct encoder e = {.L = L, .at = out, .end = (uint8_t *)out + room};

        put(&e, MAGIC, 4);
        put_u8(&e, VERSION);
        put_value(&e, lua_gettop(L));
        return (size_t)(e.at - (uint8_t *)out);
}

/* ---- from bytes ---- */

struct decoder {
        lua_State *L;
        struct hb_rd in;
        unsigned depth, values;
};

static void check(struct decoder *d) {
        if (!hb_rd_ok(&d->in))
                luaL_error(d->L, "what was saved is damaged");
}

static void get_value(struct decoder *d);

static void get_vector(struct decoder *d) {
        uint32_t n = (uint32_t)hb_rd_upto(&d->in, HB_POLICY_BATCH);
        const void *bytes = hb_rd_raw(&d->in, n * sizeof(float));
        float *v;

        check(d);
        v = hb_vec_push_new(d->L, n);
        if (n)
                memcpy(v, bytes, n * sizeof *v);
        if (!hb_vec_all_finite(v, n))
                hb_rd_fail(&d->in);
}

static void get_table(struct decoder *d) {
        uint64_t n = hb_rd_upto(&d->in, hb_rd_left(&d->in) / 2); /* a pair has at least two bytes */
        lua_State *L = d->L;

        if (d->depth++ == HB_STATE_DEPTH)
                hb_rd_fail(&d->in);
        check(d);
        luaL_checkstack(L, 8, "restore");
        lua_createtable(L, 0, 0);
        for (uint64_t i = 0; i < n; i++) {
                get_value(d);
                if (lua_type(L, -1) == LUA_TTABLE || lua_type(L, -1) == LUA_TUSERDATA)
                        hb_rd_fail(&d->in);
                check(d);
                lua_pushvalue(L, -1);
                if (lua_rawget(L, -3) != LUA_TNIL) /* twice */
                        hb_rd_fail(&d->in);
                check(d);
                lua_pop(L, 1);
                get_value(d);
                lua_rawset(L, -3);
        }
        d->depth--;
}

static void get_integer(struct decoder *d) {
        uint64_t v = hb_rd_varint(&d->in);
        lua_pushinteger(d->L, (lua_Integer)(v >> 1 ^ (v & 1 ? ~0ull : 0)));
}

static void get_number(struct decoder *d) {
        double v = hb_rd_f64(&d->in);

        if (!isfinite(v))
                hb_rd_fail(&d->in);
        lua_pushnumber(d->L, v);
}

static void get_string(struct decoder *d) {
        size_t n = hb_rd_upto(&d->in, HB_STATE_MAX);
        const char *s = hb_rd_raw(&d->in, n);

        check(d);
        lua_pushlstring(d->L, s, n);
}

static void get_value(struct decoder *d) {
        uint8_t tag = hb_rd_u8(&d->in);

        check(d);
        if (++d->values % LOOK == 0)
                hb_sandbox_look_at_clock(d->L);
        if (tag == FALSE || tag == TRUE)
                lua_pushboolean(d->L, tag == TRUE);
        else if (tag == INTEGER)
                get_integer(d);
        else if (tag == NUMBER)
                get_number(d);
        else if (tag == STRING)
                get_string(d);
        else if (tag == VECTOR)
                get_vector(d);
        else if (tag == TABLE)
                get_table(d);
        else
                hb_rd_fail(&d->in);
        check(d);
}

void hb_policy_state_decode(lua_State *L, const void *data, size_t size) {
        struct decoder d = {.L = L, .in = hb_rd_init(data, size)};
        const void *magic = hb_rd_raw(&d.in, 4);

        if (!magic || memcmp(magic, MAGIC, 4) || hb_rd_u8(&d.in) != VERSION)
                hb_rd_fail(&d.in);
        check(&d);
        get_value(&d);
        if (!hb_rd_done(&d.in))
                hb_rd_fail(&d.in);
        check(&d);
}
