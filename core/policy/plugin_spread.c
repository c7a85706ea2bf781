/* plugin_spread: what a policy knows of runs of pages (a stream it follows, the successors of a block), as a
 * column. Cost: O(runs * log n + elements written); a look at the clock with each run. */
#include "policy/plugin_columns.h"
#include "policy/vec_push.h"
#include <lauxlib.h>
#include <math.h>
#include <string.h>

/* A field of the run on top of the stack; raw, so that no metamethod runs. */
static double field(lua_State *L, const char *name, lua_Integer run, double otherwise) {
        double v;

        lua_pushstring(L, name);
        if (lua_rawget(L, -2) == LUA_TNIL && otherwise >= 0) {
                v = otherwise;
        } else {
                if (lua_type(L, -1) != LUA_TNUMBER)
                        luaL_error(L, "spread: run %I: '%s' must be a number, not %s", (LUAI_UACINT)run, name,
                                   luaL_typename(L, -1));
                v = lua_tonumber(L, -1);
        }
        if (!isfinite(v))
                luaL_error(L, "spread: run %I: '%s' is NaN or infinity", (LUAI_UACINT)run, name);
        lua_pop(L, 1);
        return v;
}

/* The first page at or after `gfn`. */
static uint32_t first_from(const struct hb_policy_pages *pages, double gfn) {
        uint32_t low = 0, high = pages->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (pages->gfn[middle] < gfn)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void lay(const struct hb_policy_pages *pages, float *v, double gfn, double count, float value) {
        for (uint32_t i = first_from(pages, gfn); i < pages->n && pages->gfn[i] < gfn + count; i++)
                if (value > v[i])
                        v[i] = value;
}

/* pages:spread(runs): runs = list of { gfn =, pages = (1), value = (1) }. Values below 0 count as 0. */
int hb_plugin_m_spread(lua_State *L) {
        const struct hb_policy_pages *pages = hb_plugin_check_pages(L);
        lua_Integer n;
        float *v;

        luaL_checktype(L, 2, LUA_TTABLE);
        n = (lua_Integer)lua_rawlen(L, 2);
        if (n > (lua_Integer)HB_POLICY_BATCH)
                return luaL_error(L, "spread: more than %d runs", (int)HB_POLICY_BATCH);
        v = hb_vec_push_call(L, pages->n);
        memset(v, 0, pages->n * sizeof *v);
        for (lua_Integer i = 1; i <= n; i++) {
                double gfn, count, value;
                if (lua_rawgeti(L, 2, i) != LUA_TTABLE)
                        return luaL_error(L, "spread: run %I is a %s", (LUAI_UACINT)i, luaL_typename(L, -1));
                gfn = field(L, "gfn", i, -1);
                count = field(L, "pages", i, 1);
                value = field(L, "value", i, 1);
                lua_pop(L, 1);
                if (pages->gfn)
                        lay(pages, v, gfn, count, (float)value);
                hb_sandbox_look_at_clock(L);
        }
        return 1;
}
