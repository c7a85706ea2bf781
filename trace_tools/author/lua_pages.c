/* lua_pages: harbinger.pages { ... }, the builder of guests that a specification tries policies on (world.h).
 * Its methods that add something return the builder. User values: 1 and 2 are the buffers of `expect`. */
#include "author/lua_convert.h"
#include "author/world.h"
#include <errno.h>
#include <string.h>

#define TYPE "harbinger.pages"

struct box {
        hb_made_world *world;
        const float *accesses, *writes; /* by expect; as many as there were touched pages */
        uint32_t expected;
};

hb_made_world *hb_lua_test_world(lua_State *L, int index) {
        struct box *b = luaL_testudata(L, index, TYPE);
        return b ? b->world : NULL;
}

static struct box *check_box(lua_State *L) {
        struct box *b = luaL_checkudata(L, 1, TYPE);

        luaL_argcheck(L, b->world, 1, "was freed");
        return b;
}

static int m_gc(lua_State *L) {
        struct box *b = luaL_checkudata(L, 1, TYPE);

        b->world = hb_made_world_free(b->world);
        return 0;
}

/* harbinger.pages { pages =, seed =, horizon_s = } */
static int f_pages(lua_State *L) {
        static const char *const known[] = {"pages", "seed", "horizon_s", NULL};
        struct box *b;
        double pages, seed, horizon_s;
        int rc;

        lua_settop(L, 1);
        if (lua_isnil(L, 1)) {
                lua_newtable(L);
                lua_replace(L, 1);
        }
        luaL_checktype(L, 1, LUA_TTABLE);
        hb_lua_check_fields(L, 1, "pages", known);
        pages = hb_lua_number_field(L, 1, "pages", "pages", 4096);
        seed = hb_lua_number_field(L, 1, "pages", "seed", 1);
        horizon_s = hb_lua_number_field(L, 1, "pages", "horizon_s", 10);
        if (!(pages >= 1 && pages <= HB_WORLD_PAGES))
                return luaL_error(L, "pages: a guest has 1 to %d pages", (int)HB_WORLD_PAGES);
        b = lua_newuserdatauv(L, sizeof(*b), 2);
        memset(b, 0, sizeof(*b));
        luaL_setmetatable(L, TYPE);
        rc = hb_made_world_new((uint32_t)pages, (uint64_t)(int64_t)seed, &b->world);
        if (rc < 0)
                return luaL_error(L, "pages: %s", strerror(-rc));
        hb_made_world_set_horizon(b->world, horizon_s);
        return 1;
}

/* :hot { from =, pages =, ... } and the others; upvalue 1 is the kind. */
static int m_pattern(lua_State *L) {
        static const char *const known[] = {"from",    "pages", "per_s",   "reads",  "writes",
                                            "every_s", "for_s", "start_s", "stop_s", NULL};
        enum hb_pattern_kind kind = (enum hb_pattern_kind)lua_tointeger(L, lua_upvalueindex(1));
        const char *name = hb_pattern_name(kind);
        struct box *b = check_box(L);
        struct hb_pattern p;
        struct hb_err e;

        luaL_checktype(L, 2, LUA_TTABLE);
        hb_lua_check_fields(L, 2, name, known);
        hb_pattern_default(kind, &p);
        p.from = (uint32_t)hb_lua_number_field(L, 2, name, "from", p.from);
        p.pages = (uint32_t)hb_lua_number_field(L, 2, name, "pages", p.pages);
        p.per_s = hb_lua_number_field(L, 2, name, "per_s", p.per_s);
        p.reads = hb_lua_number_field(L, 2, name, "reads", p.reads);
        p.write_share = hb_lua_number_field(L, 2, name, "writes", p.write_share);
        p.every_s = hb_lua_number_field(L, 2, name, "every_s", p.every_s);
        p.for_s = hb_lua_number_field(L, 2, name, "for_s", p.for_s);
        p.start_s = hb_lua_number_field(L, 2, name, "start_s", p.start_s);
        p.stop_s = hb_lua_number_field(L, 2, name, "stop_s", p.stop_s);
        if (hb_made_world_add(b->world, &p, &e) < 0)
                return luaL_error(L, "%s", e.what);
        lua_settop(L, 1);
        return 1;
}

/* :run(seconds [, policy]) */
static int m_run(lua_State *L) {
        struct box *b = check_box(L);
        lua_Integer seconds = luaL_checkinteger(L, 2);
        hb_plugin *with = hb_lua_test_policy(L, 3);
        char message[HB_PLUGIN_MESSAGE] = "";
        int rc;

        luaL_argcheck(L, seconds >= 0 && seconds <= HB_WORLD_LONGEST, 2, "0 to 100000 seconds");
        luaL_argexpected(L, with || lua_isnoneornil(L, 3), 3, "policy");
        b->expected = 0;
        rc = hb_made_world_run(b->world, (uint32_t)seconds, with, message);
        if (rc < 0)
                return luaL_error(L, "%s", *message ? message : strerror(-rc));
        lua_settop(L, 1);
        return 1;
}

static uint32_t count_pages(struct box *b, struct hb_policy_pages *p) {
        hb_made_world_pages(b->world, p);
        return p->n;
}

/* :gfns(): the touched pages' numbers, in the order of all columns and answers. */
static int m_gfns(lua_State *L) {
        struct hb_policy_pages p;
        uint32_t n = count_pages(check_box(L), &p);

        lua_createtable(L, (int)n, 0);
        for (uint32_t i = 0; i < n; i++) {
                lua_pushinteger(L, p.gfn[i]);
                lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return 1;
}

/* :of(list, gfn): the element of that page; nil: it was never touched. */
static int m_of(lua_State *L) {
        struct hb_policy_pages p;
        uint32_t n = count_pages(check_box(L), &p), low = 0, high = n;
        lua_Integer gfn = luaL_checkinteger(L, 3);

        luaL_checktype(L, 2, LUA_TTABLE);
        if (lua_rawlen(L, 2) != n)
                return luaL_error(L, "of: a list of %d elements, there are %d pages", (int)lua_rawlen(L, 2),
                                  (int)n);
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (p.gfn[middle] < gfn)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == n || p.gfn[low] != gfn)
                lua_pushnil(L);
        else
                lua_rawgeti(L, 2, (lua_Integer)low + 1);
        return 1;
}

/* :expect(accesses, writes): what score reads as the predictor's answer; until the next run. */
static int m_expect(lua_State *L) {
        struct box *b = check_box(L);
        struct hb_policy_pages p;
        uint32_t n = count_pages(b, &p);
        float *d[2];

        lua_settop(L, 3);
        for (int k = 0; k < 2; k++) {
                d[k] = hb_lua_buffer(L, n * sizeof(float));
                if (!lua_isnil(L, 2 + k))
                        hb_lua_read_floats(L, 2 + k, k ? "writes" : "accesses", d[k], n);
                lua_setiuservalue(L, 1, k + 1);
        }
        b->accesses = d[0];
        b->writes = d[1];
        b->expected = n;
        lua_settop(L, 1);
        return 1;
}

void hb_lua_world_expected(lua_State *L, int index, const float **ret_accesses, const float **ret_writes) {
        const struct box *b = luaL_checkudata(L, index, TYPE);

        *ret_accesses = b->expected ? b->accesses : NULL;
        *ret_writes = b->expected ? b->writes : NULL;
}

static void set_share(lua_State *L, const char *field, double v) {
        if (v < 0)
                return;
        lua_pushnumber(L, v);
        lua_setfield(L, -2, field);
}

/* :judge(accesses [, writes]): how good they are; what is unknown is nil. */
static int m_judge(lua_State *L) {
        struct box *b = check_box(L);
        struct hb_made_world_quality q;
        struct hb_policy_pages p;
        uint32_t n = count_pages(b, &p);
        float *d[2] = {NULL, NULL};
        int rc;

        lua_settop(L, 3);
        for (int k = 0; k < 2; k++)
                if (k == 0 || !lua_isnil(L, 3)) {
                        d[k] = hb_lua_buffer(L, n * sizeof(float));
                        hb_lua_read_floats(L, 2 + k, k ? "writes" : "accesses", d[k], n);
                }
        rc = hb_made_world_judge(b->world, d[0], d[1], &q);
        if (rc < 0)
                return luaL_error(L, "judge: %s", strerror(-rc));
        lua_createtable(L, 0, 5);
        set_share(L, "precision", q.precision);
        set_share(L, "recall", q.recall);
        set_share(L, "f1", q.f1);
        set_share(L, "f1_returning", q.f1_returning);
        set_share(L, "f1_writes", q.f1_writes);
        return 1;
}

static int m_horizon(lua_State *L) {
        struct box *b = check_box(L);

        hb_made_world_set_horizon(b->world, luaL_checknumber(L, 2));
        lua_settop(L, 1);
        return 1;
}

/* :columns(): as lists, to look at. */
static int m_columns(lua_State *L) {
        struct hb_policy_pages p;
        uint32_t n = count_pages(check_box(L), &p);
        const struct {
                const char *name;
                const float *data;
        } columns[] = {{"read_heat", p.read_heat},   {"write_heat", p.write_heat},
                       {"age_s", p.age_s},           {"version_age_s", p.version_age_s},
                       {"run_length", p.run_length}, {"bytes_to_send", p.bytes_to_send}};

        lua_createtable(L, 0, 7);
        for (unsigned k = 0; k < sizeof(columns) / sizeof(*columns); k++) {
                hb_lua_push_floats(L, columns[k].data, n);
                lua_setfield(L, -2, columns[k].name);
        }
        lua_pushinteger(L, n);
        lua_setfield(L, -2, "n");
        return 1;
}

static int m_len(lua_State *L) {
        struct hb_policy_pages p;

        lua_pushinteger(L, count_pages(check_box(L), &p));
        return 1;
}

void hb_lua_open_pages(lua_State *L) {
        static const luaL_Reg methods[] = {{"run", m_run},         {"gfns", m_gfns},   {"of", m_of},
                                           {"expect", m_expect},   {"judge", m_judge}, {"horizon", m_horizon},
                                           {"columns", m_columns}, {NULL, NULL}};

        luaL_newmetatable(L, TYPE);
        luaL_newlib(L, methods);
        for (int k = 0; k < HB_PATTERN_KINDS; k++) {
                lua_pushinteger(L, k);
                lua_pushcclosure(L, m_pattern, 1);
                lua_setfield(L, -2, hb_pattern_name((enum hb_pattern_kind)k));
        }
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, m_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, m_len);
        lua_setfield(L, -2, "__len");
        lua_pop(L, 1);
        lua_pushcfunction(L, f_pages);
}
