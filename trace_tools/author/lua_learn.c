/* lua_learn: a specification tells a predictor what happened: observe, rehearse, learn, with lists for
 * vectors. */
#include "author/lua_policy.h"
#include <string.h>

/* The list on top of the stack. */
static void read_runs(lua_State *L, struct hb_policy_observed *o) {
        struct hb_policy_run *runs = hb_lua_buffer(L, (o->nruns + 1) * sizeof(*runs));

        lua_insert(L, -2);
        for (uint32_t i = 0; i < o->nruns; i++, lua_pop(L, 2)) {
                if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TTABLE)
                        luaL_error(L, "epoch: run %d is no table", (int)i + 1);
                runs[i].gfn = (uint64_t)hb_lua_number_field(L, -1, "run", "gfn", 0);
                runs[i].pages = (uint32_t)hb_lua_number_field(L, -1, "run", "pages", 1);
                lua_getfield(L, -1, "written");
                runs[i].written = lua_toboolean(L, -1);
                o->accessed += runs[i].pages;
                o->written += runs[i].written ? runs[i].pages : 0;
        }
        o->runs = runs;
}

/* :observe(epoch [, guest]) */
static int m_observe(lua_State *L) {
        static const char *const known[] = {"number", "now_s", "accessed", "written", "cut", "runs", NULL};
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_PREDICTOR, "observe");
        struct hb_policy_guest g = hb_lua_some_guest;
        struct hb_policy_observed o = {.epoch = 1};
        char message[HB_PLUGIN_MESSAGE];

        luaL_checktype(L, 2, LUA_TTABLE);
        hb_lua_check_fields(L, 2, "epoch", known);
        hb_lua_read_guest(L, 3, &g);
        o.epoch = (uint32_t)hb_lua_number_field(L, 2, "epoch", "number", 1);
        o.now_s = hb_lua_number_field(L, 2, "epoch", "now_s", g.now_s);
        lua_getfield(L, 2, "cut");
        o.cut = lua_toboolean(L, -1);
        if (lua_getfield(L, 2, "runs") != LUA_TTABLE || lua_rawlen(L, -1) > HB_OBSERVED_RUNS)
                return luaL_error(L, "epoch: 'runs' must be a list of at most %d runs",
                                  (int)HB_OBSERVED_RUNS);
        o.nruns = (uint32_t)lua_rawlen(L, -1);
        read_runs(L, &o);
        o.accessed = (uint64_t)hb_lua_number_field(L, 2, "epoch", "accessed", (double)o.accessed);
        o.written = (uint64_t)hb_lua_number_field(L, 2, "epoch", "written", (double)o.written);
        if (hb_plugin_observe(b->plugin, &o, &g, message, &b->spent_ns) < 0)
                return luaL_error(L, "%s", message);
        return 0;
}

/* :rehearse(pages [, guest, lesson]) */
static int m_rehearse(lua_State *L) {
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_PREDICTOR, "rehearse");
        char message[HB_PLUGIN_MESSAGE];
        struct hb_lua_asked a = {{0}};
        uint64_t lesson = (uint64_t)luaL_optinteger(L, 4, 1);

        hb_lua_read_asked(L, &a, 3);
        if (hb_plugin_rehearse(b->plugin, &a.pages, &a.guest, lesson, message, &b->spent_ns) < 0)
                return luaL_error(L, "%s", message);
        return 0;
}

static const float *outcome_column(lua_State *L, const char *field, uint32_t n, const float *otherwise) {
        float *d = hb_lua_buffer(L, n * sizeof(*d));

        if (lua_getfield(L, 2, field) != LUA_TNIL)
                hb_lua_read_floats(L, -1, field, d, n);
        else if (otherwise)
                memcpy(d, otherwise, n * sizeof(*d));
        lua_pop(L, 1);
        return d;
}

static const uint8_t *outcome_classes(lua_State *L, uint32_t n) {
        static const char *const fields[] = {[HB_LESSON_RETURNING] = "returning", [HB_LESSON_NEW] = "new"};
        uint8_t *class_of = hb_lua_buffer(L, n);

        for (int k = HB_LESSON_RETURNING; k <= HB_LESSON_NEW; k++) {
                const float *mask = outcome_column(L, fields[k], n, NULL);
                for (uint32_t i = 0; i < n; i++)
                        if (mask[i] != 0)
                                class_of[i] = (uint8_t)k;
        }
        return class_of;
}

/* :learn(outcome [, guest]); columns are lists of as many elements as `accessed`. */
static int m_learn(lua_State *L) {
        static const char *const known[] = {
                "lesson", "n",         "asked_s", "horizon_s", "accessed",      "written", "reads",
                "writes", "returning", "new",     "budget",    "budget_writes", NULL};
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_PREDICTOR, "learn");
        struct hb_policy_guest g = hb_lua_some_guest;
        struct hb_policy_outcome o = {.lesson = 1};
        char message[HB_PLUGIN_MESSAGE];

        luaL_checkstack(L, 24, NULL);
        luaL_checktype(L, 2, LUA_TTABLE);
        hb_lua_check_fields(L, 2, "outcome", known);
        hb_lua_read_guest(L, 3, &g);
        if (lua_getfield(L, 2, "accessed") != LUA_TTABLE || lua_rawlen(L, -1) > HB_LESSON_PAGES)
                return luaL_error(L, "outcome: 'accessed' must be a list of at most %d numbers",
                                  (int)HB_LESSON_PAGES);
        o.n = (uint32_t)lua_rawlen(L, -1);
        o.lesson = (uint64_t)hb_lua_number_field(L, 2, "outcome", "lesson", 1);
        o.asked_s = hb_lua_number_field(L, 2, "outcome", "asked_s", g.now_s - g.horizon_s);
        o.horizon_s = hb_lua_number_field(L, 2, "outcome", "horizon_s", g.horizon_s);
        o.accessed = outcome_column(L, "accessed", o.n, NULL);
        o.written = outcome_column(L, "written", o.n, NULL);
        o.reads = outcome_column(L, "reads", o.n, o.accessed);
        o.writes = outcome_column(L, "writes", o.n, o.written);
        o.class_of = outcome_classes(L, o.n);
        o.budget = (uint32_t)hb_lua_number_field(L, 2, "outcome", "budget", o.n);
        o.budget_writes = (uint32_t)hb_lua_number_field(L, 2, "outcome", "budget_writes", o.n);
        if (hb_plugin_learn(b->plugin, &o, &g, message, &b->spent_ns) < 0)
                return luaL_error(L, "%s", message);
        return 0;
}

void hb_lua_add_learning(lua_State *L) {
        static const luaL_Reg methods[] = {
                {"observe", m_observe}, {"rehearse", m_rehearse}, {"learn", m_learn}, {NULL, NULL}};

        luaL_setfuncs(L, methods, 0);
}
