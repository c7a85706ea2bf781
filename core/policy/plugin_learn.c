/* plugin_learn: what a predictor is told beyond what it is asked: what was accessed (observe), what it will
 * be examined on (rehearse), what came of it (learn). Cost: observe 0.3 us a run, the others as a prediction.
 */
#include "policy/plugin_args.h"
#include "policy/plugin_inside.h"
#include "policy/vec.h"
#include <lauxlib.h>

static void set_number(lua_State *L, const char *field, double v) {
        lua_pushnumber(L, v);
        lua_setfield(L, -2, field);
}

static void set_whole(lua_State *L, const char *field, uint64_t v) {
        lua_pushinteger(L, (lua_Integer)v);
        lua_setfield(L, -2, field);
}

static void set_flag(lua_State *L, const char *field, bool v) {
        lua_pushboolean(L, v);
        lua_setfield(L, -2, field);
}

static int absent(uint64_t *ret_cpu_ns) {
        if (ret_cpu_ns)
                *ret_cpu_ns = 0;
        return 0;
}

/* ---- observe ---- */

struct observed {
        const struct hb_policy_observed *o;
        const struct hb_policy_guest *guest;
};

static void push_runs(lua_State *L, const struct hb_policy_observed *o) {
        lua_createtable(L, (int)o->nruns, 0);
        for (uint32_t i = 0; i < o->nruns; i++) {
                lua_createtable(L, 0, 3);
                set_whole(L, "gfn", o->runs[i].gfn);
                set_whole(L, "pages", o->runs[i].pages);
                set_flag(L, "written", o->runs[i].written);
                lua_rawseti(L, -2, (lua_Integer)i + 1);
                if (i % 256 == 255)
                        hb_sandbox_look_at_clock(L);
        }
}

static int push_observed(lua_State *L, hb_plugin *p, void *arg) {
        const struct observed *a = arg;

        lua_createtable(L, 0, 6);
        set_whole(L, "number", a->o->epoch);
        set_number(L, "now_s", a->o->now_s);
        set_whole(L, "accessed", a->o->accessed);
        set_whole(L, "written", a->o->written);
        set_flag(L, "cut", a->o->cut);
        push_runs(L, a->o);
        lua_setfield(L, -2, "runs");
        hb_plugin_push_guest(L, a->guest);
        return 2;
}

int hb_plugin_observe(hb_plugin *p, const struct hb_policy_observed *o, const struct hb_policy_guest *g,
                      char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns) {
        struct observed a = {o, g};
        struct hb_plugin_job j = {.method = "observe", .push = push_observed, .arg = &a, .now_s = g->now_s};

        return p->made.wants.observe ? hb_plugin_do(p, &j, message, ret_cpu_ns) : absent(ret_cpu_ns);
}

/* ---- rehearse ---- */

struct rehearsal {
        const struct hb_policy_pages *pages;
        const struct hb_policy_guest *guest;
        uint64_t lesson;
};

static int push_rehearsal(lua_State *L, hb_plugin *p, void *arg) {
        const struct rehearsal *a = arg;

        hb_plugin_push_pages(L, p, a->pages, false);
        hb_plugin_push_guest(L, a->guest);
        lua_pushinteger(L, (lua_Integer)a->lesson);
        return 3;
}

int hb_plugin_rehearse(hb_plugin *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       uint64_t lesson, char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns) {
        struct rehearsal a = {pages, g, lesson};
        struct hb_plugin_job j = {.method = "rehearse", .push = push_rehearsal, .arg = &a, .now_s = g->now_s};

        return p->made.wants.rehearse ? hb_plugin_do(p, &j, message, ret_cpu_ns) : absent(ret_cpu_ns);
}

/* ---- learn ---- */

struct outcome {
        const struct hb_policy_outcome *o;
        const struct hb_policy_guest *guest;
};

static void push_class(lua_State *L, const struct hb_policy_outcome *o, enum hb_lesson_class which) {
        float *mask = hb_vec_push_new(L, o->n);

        for (uint32_t i = 0; i < o->n; i++)
                mask[i] = o->class_of && o->class_of[i] == which ? 1.0f : 0.0f;
}

static int push_outcome(lua_State *L, hb_plugin *p, void *arg) {
        const struct outcome *a = arg;
        const struct hb_policy_outcome *o = a->o;
        const struct {
                const char *name;
                const float *data;
        } columns[] = {{"accessed", o->accessed},
                       {"written", o->written},
                       {"reads", o->reads},
                       {"writes", o->writes}};

        lua_createtable(L, 0, 12);
        set_whole(L, "lesson", o->lesson);
        set_whole(L, "n", o->n);
        set_number(L, "asked_s", o->asked_s);
        set_number(L, "horizon_s", o->horizon_s);
        set_whole(L, "budget", o->budget);
        set_whole(L, "budget_writes", o->budget_writes);
        for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++) {
                hb_vec_push_column(L, columns[i].data, o->n);
                lua_setfield(L, -2, columns[i].name);
        }
        push_class(L, o, HB_LESSON_RETURNING);
        lua_setfield(L, -2, "returning");
        push_class(L, o, HB_LESSON_NEW);
        lua_setfield(L, -2, "new");
        hb_plugin_push_guest(L, a->guest);
        return 2;
}

int hb_plugin_learn(hb_plugin *p, const struct hb_policy_outcome *o, const struct hb_policy_guest *g,
                    char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns) {
        struct outcome a = {o, g};
        struct hb_plugin_job j = {.method = "learn", .push = push_outcome, .arg = &a, .now_s = g->now_s};

        return p->made.wants.learn ? hb_plugin_do(p, &j, message, ret_cpu_ns) : absent(ret_cpu_ns);
}
