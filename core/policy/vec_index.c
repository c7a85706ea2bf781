/* vec_index: elements by position: gather, scatter, segments (such as the 2 MiB blocks that pages lie in) and
 * running sums. Positions are numbers from 1 on; one that is no position of the vector meant is an error that
 * names it. Each computes its operands at once. Cost: see vec_columns.c. */
#include "policy/policy.h"
#include "policy/vec.h"
#include "policy/vec_columns.h"
#include <lauxlib.h>
#include <string.h>

/* The positions at `index` on the stack, checked against 1 to `top`. */
static const float *check_positions(lua_State *L, int index, const char *doing, uint32_t top) {
        uint32_t n = hb_vec_check(L, index, doing)->n;
        const float *at = hb_vec_values(L, index);
        size_t bad = 0;

        if (!hb_vec_indices_ok(at, n, top, &bad))
                luaL_error(L, "%s: position %d is %f, not a whole number from 1 to %d", doing, (int)bad + 1,
                           (lua_Number)at[bad], (int)top);
        return at;
}

static void check_lengths(lua_State *L, const char *doing, uint32_t a, uint32_t b) {
        if (a != b)
                luaL_error(L, "%s: vectors of %d and %d elements", doing, (int)a, (int)b);
}

/* v:gather(positions), v:spread_from(segment): the same, said of two intentions. */
static int gather(lua_State *L, const char *name) {
        uint32_t n = hb_vec_check(L, 1, name)->n, wanted;
        const float *at = check_positions(L, 2, name, n), *v = hb_vec_values(L, 1);
        float *d;

        wanted = hb_vec_test(L, 2)->n;
        d = hb_vec_push_new(L, wanted);
        hb_vec_gather(d, v, at, wanted);
        return 1;
}

static int m_gather(lua_State *L) {
        return gather(L, "gather");
}

static int m_spread_from(lua_State *L) {
        return gather(L, "spread_from");
}

/* hb.scatter(n, positions, values): n zeros, to which each value is added at its position. */
static int f_scatter(lua_State *L) {
        uint32_t n = hb_vec_check_length(L, 1, "scatter"), count;
        const float *at = check_positions(L, 2, "scatter", n), *v;
        float *d;

        count = hb_vec_test(L, 2)->n;
        if (lua_type(L, 3) == LUA_TNUMBER) {
                float number = (float)lua_tonumber(L, 3);
                d = hb_vec_push_new(L, count);
                for (uint32_t i = 0; i < count; i++)
                        d[i] = number;
                lua_replace(L, 3);
        }
        check_lengths(L, "scatter", count, hb_vec_check(L, 3, "scatter")->n);
        v = hb_vec_values(L, 3);
        d = hb_vec_push_new(L, n);
        if (n)
                memset(d, 0, n * sizeof *d);
        hb_vec_scatter_add(d, at, v, count);
        return 1;
}

struct segments { /* operands of v:segment_*(segment, n) */
        const float *values, *segment;
        uint32_t n, segments;
};

static struct segments check_segments(lua_State *L, const char *doing) {
        struct segments s = {.n = hb_vec_check(L, 1, doing)->n};

        s.segments = hb_vec_check_length(L, 3, doing);
        s.segment = check_positions(L, 2, doing, s.segments);
        check_lengths(L, doing, s.n, hb_vec_test(L, 2)->n);
        s.values = hb_vec_values(L, 1);
        return s;
}

static double *push_doubles(lua_State *L, uint32_t n) {
        double *d = lua_newuserdatauv(L, (size_t)n * sizeof *d + 1, 0);

        memset(d, 0, (size_t)n * sizeof *d);
        return d;
}

static int m_segment_sum(lua_State *L) {
        struct segments s = check_segments(L, "segment_sum");
        double *sum = push_doubles(L, s.segments);
        float *d = hb_vec_push_new(L, s.segments);

        hb_vec_segment_sum(sum, s.segment, s.values, s.n);
        for (uint32_t i = 0; i < s.segments; i++)
                d[i] = (float)sum[i];
        return 1;
}

static int m_segment_mean(lua_State *L) {
        struct segments s = check_segments(L, "segment_mean");
        double *sum = push_doubles(L, s.segments), *count = push_doubles(L, s.segments);
        float *d = hb_vec_push_new(L, s.segments);

        hb_vec_segment_sum(sum, s.segment, s.values, s.n);
        hb_vec_segment_count(count, s.segment, s.n);
        for (uint32_t i = 0; i < s.segments; i++)
                d[i] = count[i] > 0 ? (float)(sum[i] / count[i]) : 0.0f;
        return 1;
}

static int m_segment_max(lua_State *L) {
        struct segments s = check_segments(L, "segment_max");

        hb_vec_segment_max(hb_vec_push_new(L, s.segments), s.segments, s.segment, s.values, s.n);
        return 1;
}

/* v:segments(): numbers from 1 on for runs of equal neighbours, and how many there are. */
static int m_segments(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "segments")->n;
        const float *v = hb_vec_values(L, 1);
        float *d = hb_vec_push_new(L, n);

        lua_pushinteger(L, (lua_Integer)hb_vec_segments(d, v, n));
        return 2;
}

static int m_cumsum(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "cumsum")->n;
        const float *v = hb_vec_values(L, 1);

        hb_vec_cumsum(hb_vec_push_new(L, n), v, n);
        return 1;
}

static int f_iota(lua_State *L) {
        uint32_t n = hb_vec_check_length(L, 1, "iota");

        hb_vec_iota(hb_vec_push_new(L, n), n);
        return 1;
}

int hb_vec_f_random(lua_State *L) {
        uint64_t *state = lua_touserdata(L, lua_upvalueindex(1));
        uint32_t n = hb_vec_check_length(L, 1, "random_vec");

        hb_vec_random(hb_vec_push_new(L, n), n, state);
        return 1;
}

void hb_vec_add_index_methods(lua_State *L) {
        static const luaL_Reg methods[] = {{"gather", m_gather},
                                           {"spread_from", m_spread_from},
                                           {"segments", m_segments},
                                           {"segment_sum", m_segment_sum},
                                           {"segment_mean", m_segment_mean},
                                           {"segment_max", m_segment_max},
                                           {"cumsum", m_cumsum},
                                           {NULL, NULL}};

        luaL_setfuncs(L, methods, 0);
}

void hb_vec_add_index_functions(lua_State *L) {
        static const luaL_Reg functions[] = {{"scatter", f_scatter}, {"iota", f_iota}, {NULL, NULL}};

        luaL_setfuncs(L, functions, 0);
}
