/* vec_reduce: the methods that make few numbers of a column, and those that ask for an element's rank in it.
 * Each computes its vector at once, if that was not done. Cost: see vec_columns.c. */
#include "policy/policy.h"
#include "policy/vec.h"
#include "policy/vec_columns.h"
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static int m_sum(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "sum")->n;

        lua_pushnumber(L, hb_vec_sum(hb_vec_values(L, 1), n));
        return 1;
}

static int m_mean(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "mean")->n;

        lua_pushnumber(L, n ? hb_vec_sum(hb_vec_values(L, 1), n) / n : 0);
        return 1;
}

/* The largest (upvalue true) or the smallest element; nil of an empty vector. */
static int m_extreme(lua_State *L) {
        bool largest = lua_toboolean(L, lua_upvalueindex(1));
        uint32_t n = hb_vec_check(L, 1, largest ? "highest" : "lowest")->n;
        const float *v = hb_vec_values(L, 1);
        float best = n ? v[0] : 0.0f;

        for (uint32_t i = 1; i < n; i++)
                if (largest ? v[i] > best : v[i] < best)
                        best = v[i];
        if (n)
                lua_pushnumber(L, (double)best);
        else
                lua_pushnil(L);
        return 1;
}

static double check_number(lua_State *L, int index, const char *doing, const char *what) {
        if (lua_type(L, index) != LUA_TNUMBER)
                luaL_error(L, "%s: %s must be a number, not %s", doing, what, luaL_typename(L, index));
        return lua_tonumber(L, index);
}

/* Between the two elements around q * (n - 1), as most libraries do by default; nil of an empty vector. */
static int m_quantile(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "quantile")->n;
        double q = check_number(L, 2, "quantile", "the share"), at, low, high;
        const float *v = hb_vec_values(L, 1);
        size_t below;

        if (!(q >= 0 && q <= 1))
                return luaL_error(L, "quantile: the share must lie between 0 and 1, not %f", q);
        if (!n)
                return 0;
        at = q * (n - 1);
        below = (size_t)at;
        low = (double)hb_vec_rank(v, n, below);
        high = at > (double)below ? (double)hb_vec_rank(v, n, below + 1) : low;
        lua_pushnumber(L, low == high ? low : low + (at - (double)below) * (high - low));
        return 1;
}

static int m_histogram(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "histogram")->n, bins;
        double low = check_number(L, 2, "histogram", "the lower end");
        double high = check_number(L, 3, "histogram", "the upper end");
        const float *v = hb_vec_values(L, 1);
        float *d;

        bins = hb_vec_check_length(L, 4, "histogram");
        if (!bins || !isfinite(low) || !isfinite(high) || !((float)low < (float)high))
                return luaL_error(L, "histogram: needs low < high and at least one bin, not %f, %f and %d",
                                  low, high, (int)bins);
        d = hb_vec_push_new(L, bins);
        memset(d, 0, bins * sizeof *d);
        hb_vec_histogram(d, bins, v, n, (float)low, (float)high);
        return 1;
}

/* The count at 2, its fraction cut off, within 0 and n: shares of a number of pages are seldom whole. */
static size_t check_count(lua_State *L, const char *doing, uint32_t n) {
        double k = check_number(L, 2, doing, "the count");

        if (isnan(k))
                luaL_error(L, "%s: the count is NaN", doing);
        return k >= n ? n : k > 0 ? (size_t)k : 0;
}

static int m_topk(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "topk")->n;
        size_t k = check_count(L, "topk", n);
        const float *v = hb_vec_values(L, 1);

        hb_vec_topk(hb_vec_push_new(L, n), v, n, k);
        return 1;
}

/* The k-th largest: what so many elements reach or pass. Nil for less than one, the lowest for more than all.
 */
static int m_rank_cut(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "rank_cut")->n;
        size_t k = check_count(L, "rank_cut", n);
        const float *v = hb_vec_values(L, 1);

        if (!k)
                return 0;
        lua_pushnumber(L, (double)hb_vec_rank(v, n, n - k));
        return 1;
}

void hb_vec_add_reductions(lua_State *L) {
        static const luaL_Reg methods[] = {{"sum", m_sum},
                                           {"mean", m_mean},
                                           {"quantile", m_quantile},
                                           {"histogram", m_histogram},
                                           {"topk", m_topk},
                                           {"rank_cut", m_rank_cut},
                                           {NULL, NULL}};

        luaL_setfuncs(L, methods, 0);
        for (int largest = 0; largest <= 1; largest++) {
                lua_pushboolean(L, largest);
                lua_pushcclosure(L, m_extreme, 1);
                lua_setfield(L, -2, largest ? "highest" : "lowest");
        }
}
