/* plugin: loads a policy's table into a sandbox and calls its methods.
 *
 * Invariant: the sandbox is either dead or holds the loaded policy under policy_key; a dead one is revived
 * from the source text before the next call. Nothing that a cut-off load has half written is ever looked at:
 * see `making`. Cost of a call: about 10 us plus the policy's own work. */
#include "policy/plugin_args.h"
#include "policy/plugin_inside.h"
#include "policy/plugin_try.h"
#include "policy/vec.h"
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_BUDGET 10 /* deadlines */

_Static_assert(HB_PLUGIN_MESSAGE == HB_SANDBOX_MESSAGE, "one passes the other's message on");

static const char policy_key = 0;

/* ---- loading, inside the sandbox: the policy's table is at index 2 ---- */

static const char *string_field(lua_State *L, const hb_plugin *p, const char *field) {
        if (lua_getfield(L, 2, field) != LUA_TSTRING)
                luaL_error(L, "%s: the policy's '%s' must be a string", p->source.chunk, field);
        return lua_tostring(L, -1); /* kept alive by the table */
}

static void check_identity(lua_State *L, hb_plugin *p) {
        const char *kind = hb_policy_kind_name(p->kind), *text;

        if (lua_getfield(L, 2, "api") != LUA_TNUMBER)
                luaL_error(L, "%s: the policy's 'api' must be a number (this host has %d)", p->source.chunk,
                           HB_POLICY_API);
        if (lua_tonumber(L, -1) != HB_POLICY_API)
                luaL_error(L, "%s: written for policy API %f, this host has %d", p->source.chunk,
                           lua_tonumber(L, -1), HB_POLICY_API);
        text = string_field(L, p, "kind");
        if (strcmp(text, kind))
                luaL_error(L, "%s: kind is '%s', this folder holds those of kind '%s'", p->source.chunk, text,
                           kind);
        text = string_field(L, p, "name");
        if (strcmp(text, p->name))
                luaL_error(L, "%s: name is '%s', the file's is '%s'", p->source.chunk, text, p->name);
        text = string_field(L, p, "version");
        if (!*text || strlen(text) >= sizeof p->making.version)
                luaL_error(L, "%s: version must have 1 to %d characters", p->source.chunk,
                           (int)sizeof p->making.version - 1);
        snprintf(p->making.version, sizeof p->making.version, "%s", text);
        if (lua_getfield(L, 2, hb_plugin_method(p->kind)) != LUA_TFUNCTION)
                luaL_error(L, "%s: a %s needs a function '%s'", p->source.chunk, kind,
                           hb_plugin_method(p->kind));
        lua_settop(L, 2);
}

/* An optional method; anything but a function or nothing is a mistake. */
static bool has_method(lua_State *L, const hb_plugin *p, const char *method) {
        int type = lua_getfield(L, 2, method);

        if (type != LUA_TFUNCTION && type != LUA_TNIL)
                luaL_error(L, "%s: the policy's '%s' must be a function", p->source.chunk, method);
        lua_pop(L, 1);
        return type == LUA_TFUNCTION;
}

static bool flag(lua_State *L, const hb_plugin *p, const char *field) {
        int type = lua_getfield(L, 2, field);
        bool on = lua_toboolean(L, -1);

        if (type != LUA_TBOOLEAN && type != LUA_TNIL)
                luaL_error(L, "%s: the policy's '%s' must be true or false", p->source.chunk, field);
        lua_pop(L, 1);
        return on;
}

static void read_wants(lua_State *L, hb_plugin *p) {
        static const char *const predictors_only[] = {"observe", "rehearse", "learn"};
        struct hb_plugin_wants *w = &p->making.wants;
        bool *const has[] = {&w->observe, &w->rehearse, &w->learn};

        for (unsigned i = 0; i < 3; i++) {
                *has[i] = has_method(L, p, predictors_only[i]);
                if (*has[i] && p->kind != HB_POLICY_PREDICTOR)
                        luaL_error(L, "%s: only predictors have a method '%s'", p->source.chunk,
                                   predictors_only[i]);
        }
        w->save = has_method(L, p, "save");
        w->restore = has_method(L, p, "restore");
        w->history = flag(L, p, "history") || w->history; /* or what it uses has it */
        w->model = w->history && hb_policy_source_asks_model(&p->source);
}

static void open_api(lua_State *L, hb_plugin *p) {
        lua_getglobal(L, "hb");
        hb_plugin_open_said(L, p);
        hb_plugin_open_use(L, p);
        lua_pop(L, 1);
        hb_plugin_open_columns(L, p);
}

static int load_policy(lua_State *L) {
        hb_plugin *p = lua_touserdata(L, 1);

        open_api(L, p);
        hb_sandbox_compile(L, p->source.text, p->source.size, p->source.chunk);
        lua_call(L, 0, 1);
        if (!lua_istable(L, 2))
                return luaL_error(L, "%s: a policy's file returns its table, this one returns %s",
                                  p->source.chunk, luaL_typename(L, 2));
        check_identity(L, p);
        read_wants(L, p);
        hb_plugin_set_params(L, 2, p->source.chunk, p->loaded ? &p->made : NULL, &p->making);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key);
        return 0;
}

int hb_plugin_start(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        int rc = hb_sandbox_reset(p->sandbox);

        if (rc < 0) {
                snprintf(message, HB_PLUGIN_MESSAGE, "no room for a Lua state within the memory cap");
                return rc;
        }
        memset(&p->making, 0, sizeof p->making);
        p->pages = NULL;
        rc = hb_sandbox_call(p->sandbox, p->limits.deadline_ns * LOAD_BUDGET, load_policy, p, message, NULL);
        if (rc < 0)
                return rc;
        p->made = p->making;
        p->loaded = true;
        p->tuned = false;
        return 0;
}

/* ---- calling ---- */

struct run {
        hb_plugin *plugin;
        const struct hb_plugin_job *job;
        char where[96];
};

void hb_plugin_push_self(lua_State *L) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key);
}

/* "predict/ewma.lua:12", the method a wrong result came from. The function is on top of the stack. */
static void note_place(lua_State *L, struct run *r) {
        lua_Debug ar;

        lua_pushvalue(L, -1);
        if (!lua_getinfo(L, ">S", &ar))
                ar.linedefined = 0;
        snprintf(r->where, sizeof r->where, "%.80s:%d", r->plugin->source.chunk, ar.linedefined);
}

static int call_method(lua_State *L) {
        struct run *r = lua_touserdata(L, 1);
        const struct hb_plugin_job *j = r->job;
        int args;

        hb_plugin_apply_params(L, r->plugin);
        hb_plugin_push_self(L);
        if (lua_getfield(L, -1, j->method) != LUA_TFUNCTION)
                return luaL_error(L, "%s: the function '%s' is gone", r->plugin->source.chunk, j->method);
        note_place(L, r);
        lua_insert(L, -2); /* the function, then self */
        hb_vec_begin_call(L);
        args = j->push(L, r->plugin, j->arg);
        lua_call(L, args + 1, j->results);
        if (j->read)
                j->read(L, r->plugin, j->arg);
        return 0;
}

static bool begins_with(const char *text, const char *beginning) {
        return !strncmp(text, beginning, strlen(beginning));
}

/* Errors raised by us after the method returned have no line of their own. */
static void add_place(const struct run *r, char message[HB_PLUGIN_MESSAGE]) {
        const struct hb_policy_source *s = &r->plugin->source;
        char text[HB_PLUGIN_MESSAGE];

        if (begins_with(message, s->chunk))
                return;
        for (unsigned i = 0; i < s->parts; i++)
                if (begins_with(message, s->part[i].name))
                        return;
        snprintf(text, sizeof text, "%s", message);
        snprintf(message, HB_PLUGIN_MESSAGE, "%s: %.120s", r->where, text);
}

static void revive(hb_plugin *p, int why) {
        char message[HB_PLUGIN_MESSAGE];

        if (why == -ETIME || why == -ENOMEM || !hb_sandbox_alive(p->sandbox))
                hb_plugin_start(p, message); /* failing again, it stays dead and the next call says so */
}

int hb_plugin_do(hb_plugin *p, const struct hb_plugin_job *j, char message[HB_PLUGIN_MESSAGE],
                 uint64_t *ret_cpu_ns) {
        struct run r = {.plugin = p, .job = j};
        int rc;

        snprintf(r.where, sizeof r.where, "%.80s", p->source.chunk);
        p->said.now_s = j->now_s;
        rc = hb_sandbox_call(p->sandbox, p->limits.deadline_ns, call_method, &r, message, ret_cpu_ns);
        p->pages = NULL;
        if (rc < 0) {
                add_place(&r, message);
                revive(p, rc);
        }
        return rc;
}

static int push_args(lua_State *L, hb_plugin *p, void *arg) {
        return hb_plugin_push_args(L, p, arg);
}

static void read_results(lua_State *L, hb_plugin *p, void *arg) {
        hb_plugin_read_results(L, p->kind, arg);
}

/* Terms go to whoever asked after the call: what he does with them is not under the policy's deadline. */
static void give_terms(const struct hb_plugin_terms *t, const struct hb_plugin_call *c) {
        for (unsigned i = 0; i < t->count; i++)
                c->term(c->term_arg, t->term[i].name, t->term[i].value);
}

int hb_plugin_run(hb_plugin *p, struct hb_plugin_call *c, char message[HB_PLUGIN_MESSAGE],
                  uint64_t *ret_cpu_ns) {
        struct hb_plugin_job j = {.method = hb_plugin_method(p->kind),
                                  .push = push_args,
                                  .results = hb_plugin_results(p->kind),
                                  .read = read_results,
                                  .arg = c,
                                  .now_s = c->guest->now_s};
        struct hb_plugin_terms terms = {.at = c->at};
        int rc;

        p->terms = c->term ? &terms : NULL;
        rc = hb_plugin_do(p, &j, message, ret_cpu_ns);
        p->terms = NULL;
        if (rc == 0 && c->term)
                give_terms(&terms, c);
        return rc;
}

/* ---- life ---- */

static int refuse(const hb_plugin *p, int rc, const char *message, struct hb_err *e) {
        return hb_err_set(e, rc, p->source.path, "mend the file or name another policy",
                          "%s '%s' refused: %s", hb_policy_kind_name(p->kind), p->name, message);
}

/* Forgets afterwards what the trial taught it and what it said. */
static int try_it(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        int rc;

        p->trying = true;
        rc = hb_plugin_try(p, message);
        p->trying = false;
        memset(&p->said, 0, sizeof p->said);
        return rc < 0 ? rc : hb_plugin_start(p, message);
}

int hb_plugin_new(enum hb_policy_kind k, const char *name, struct hb_policy_source *source,
                  const struct hb_plugin_limits *limits, hb_guard *guard, hb_plugin **ret, struct hb_err *e) {
        char message[HB_PLUGIN_MESSAGE] = "not enough memory";
        hb_plugin *p = calloc(1, sizeof *p);
        int rc = -ENOMEM;

        if (!p) {
                hb_policy_source_free(source);
                return hb_err_set(e, rc, name, NULL, "not enough memory for a policy");
        }
        p->kind = k;
        snprintf(p->name, sizeof p->name, "%s", name);
        p->source = *source;
        source->text = NULL;
        source->parts = 0;
        p->limits = *limits;
        rc = hb_sandbox_new(limits->memory_bytes, limits->seed + (uint64_t)k, guard, &p->sandbox);
        if (rc == 0)
                rc = hb_plugin_start(p, message);
        if (rc == 0 && !limits->tried)
                rc = try_it(p, message);
        if (rc < 0) {
                refuse(p, rc, message, e);
                hb_plugin_free(p);
                return rc;
        }
        *ret = p;
        return 0;
}

hb_plugin *hb_plugin_free(hb_plugin *p) {
        if (p) {
                hb_sandbox_free(p->sandbox);
                hb_policy_source_free(&p->source);
                free(p);
        }
        return NULL;
}

const char *hb_plugin_version(const hb_plugin *p) {
        return p->made.version;
}

const char *hb_plugin_hash(const hb_plugin *p) {
        return p->source.hash;
}

const struct hb_policy_source *hb_plugin_source(const hb_plugin *p) {
        return &p->source;
}

uint64_t hb_plugin_memory(const hb_plugin *p) {
        return hb_sandbox_memory(p->sandbox);
}

void hb_plugin_wants(const hb_plugin *p, struct hb_plugin_wants *ret) {
        *ret = p->made.wants;
}

void hb_plugin_set_model(hb_plugin *p, const struct hb_model *m) {
        p->model = m;
}
