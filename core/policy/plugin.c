/* plugin: loads a policy's table into a sandbox and calls its one method.
 *
 * Invariant: the sandbox is either dead or holds the loaded policy under POLICY_KEY; a dead one is revived
 * from the source text before the next call. Cost of a call: about 10 us plus the policy's own work. */
#include "policy/plugin.h"
#include "base/shape.h"
#include "policy/plugin_args.h"
#include "policy/plugin_try.h"
#include "policy/sandbox.h"
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMS  64
#define LOAD_BUDGET 10 /* deadlines */

struct hb_plugin {
        enum hb_policy_kind kind;
        char name[HB_NAME_MAX], version[32];
        struct hb_policy_source source;
        struct hb_plugin_limits limits;
        hb_sandbox *sandbox;
};

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
        if (!*text || strlen(text) >= sizeof p->version)
                luaL_error(L, "%s: version must have 1 to %d characters", p->source.chunk,
                           (int)sizeof p->version - 1);
        snprintf(p->version, sizeof p->version, "%s", text);
        if (lua_getfield(L, 2, hb_plugin_method(p->kind)) != LUA_TFUNCTION)
                luaL_error(L, "%s: a %s needs a function '%s'", p->source.chunk, kind,
                           hb_plugin_method(p->kind));
        lua_settop(L, 2);
}

/* A number field of the parameter's declaration on top of the stack. */
static double limit(lua_State *L, const hb_plugin *p, const char *param, const char *field,
                    double otherwise) {
        int type = lua_getfield(L, -1, field);
        double v = type == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;

        if ((type != LUA_TNUMBER && type != LUA_TNIL) || isnan(v))
                luaL_error(L, "%s: params.%s: '%s' must be a number", p->source.chunk, param, field);
        lua_pop(L, 1);
        return v;
}

/* The declaration is on top of the stack, its name below; returns the default. */
static double read_param(lua_State *L, const hb_plugin *p) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        double low, high, value;

        if (!name || !hb_name_ok(name) || !lua_istable(L, -1))
                luaL_error(L, "%s: params must be name = { default = number, min =, max =, help = }",
                           p->source.chunk);
        low = limit(L, p, name, "min", -HUGE_VAL);
        high = limit(L, p, name, "max", HUGE_VAL);
        value = limit(L, p, name, "default", NAN);
        if (!(low <= value && value <= high))
                luaL_error(L, "%s: params.%s: the default must lie between min and max", p->source.chunk,
                           name);
        if (lua_getfield(L, -1, "help") != LUA_TSTRING)
                luaL_error(L, "%s: params.%s: 'help' must be a string", p->source.chunk, name);
        lua_pop(L, 1);
        return value;
}

/* Replaces the declarations in `params` by their values. */
static void set_params(lua_State *L, const hb_plugin *p) {
        int type = lua_getfield(L, 2, "params"), count = 0;

        if (type != LUA_TTABLE && type != LUA_TNIL)
                luaL_error(L, "%s: params must be a table", p->source.chunk);
        lua_newtable(L);
        if (type == LUA_TTABLE) {
                for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
                        double value = read_param(L, p);
                        if (++count > MAX_PARAMS)
                                luaL_error(L, "%s: more than %d params", p->source.chunk, MAX_PARAMS);
                        lua_pushvalue(L, -2);
                        lua_pushnumber(L, value);
                        lua_rawset(L, 4);
                }
        }
        lua_setfield(L, 2, "params");
        lua_settop(L, 2);
}

static int load_policy(lua_State *L) {
        hb_plugin *p = lua_touserdata(L, 1);

        hb_sandbox_compile(L, p->source.text, p->source.size, p->source.chunk);
        lua_call(L, 0, 1);
        if (!lua_istable(L, 2))
                return luaL_error(L, "%s: a policy's file returns its table, this one returns %s",
                                  p->source.chunk, luaL_typename(L, 2));
        check_identity(L, p);
        set_params(L, p);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &policy_key);
        return 0;
}

static int start(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        int rc = hb_sandbox_reset(p->sandbox);

        if (rc < 0) {
                snprintf(message, HB_PLUGIN_MESSAGE, "no room for a Lua state within the memory cap");
                return rc;
        }
        return hb_sandbox_call(p->sandbox, p->limits.deadline_ns * LOAD_BUDGET, load_policy, p, message,
                               NULL);
}

/* ---- calling ---- */

struct run {
        hb_plugin *plugin;
        struct hb_plugin_call *call;
        char where[96];
};

/* "predict/ewma.lua:12", the method a wrong result came from. The function is on top of the stack. */
static void note_place(lua_State *L, struct run *r) {
        lua_Debug ar;

        lua_pushvalue(L, -1);
        if (!lua_getinfo(L, ">S", &ar))
                ar.linedefined = 0;
        snprintf(r->where, sizeof r->where, "%.80s:%d", r->plugin->source.chunk, ar.linedefined);
}

static int call_policy(lua_State *L) {
        struct run *r = lua_touserdata(L, 1);
        enum hb_policy_kind k = r->plugin->kind;
        int args;

        lua_rawgetp(L, LUA_REGISTRYINDEX, &policy_key);
        if (lua_getfield(L, -1, hb_plugin_method(k)) != LUA_TFUNCTION)
                return luaL_error(L, "%s: the function '%s' is gone", r->plugin->source.chunk,
                                  hb_plugin_method(k));
        note_place(L, r);
        lua_insert(L, -2); /* the function, then self */
        args = hb_plugin_push_args(L, k, r->call);
        lua_call(L, args + 1, hb_plugin_results(k));
        hb_plugin_read_results(L, k, r->call);
        return 0;
}

/* Errors raised by us after the method returned have no line of their own. */
static void add_place(const struct run *r, char message[HB_PLUGIN_MESSAGE]) {
        char text[HB_PLUGIN_MESSAGE];

        if (!strncmp(message, r->plugin->source.chunk, strlen(r->plugin->source.chunk)))
                return;
        snprintf(text, sizeof text, "%s", message);
        snprintf(message, HB_PLUGIN_MESSAGE, "%s: %.120s", r->where, text);
}

static void revive(hb_plugin *p, int why) {
        char message[HB_PLUGIN_MESSAGE];

        if (why == -ETIME || why == -ENOMEM || !hb_sandbox_alive(p->sandbox))
                start(p, message); /* failing again, it stays dead and the next call says so */
}

int hb_plugin_run(hb_plugin *p, struct hb_plugin_call *c, char message[HB_PLUGIN_MESSAGE],
                  uint64_t *ret_cpu_ns) {
        struct run r = {.plugin = p, .call = c};
        int rc;

        snprintf(r.where, sizeof r.where, "%.80s", p->source.chunk);
        rc = hb_sandbox_call(p->sandbox, p->limits.deadline_ns, call_policy, &r, message, ret_cpu_ns);
        if (rc < 0) {
                add_place(&r, message);
                revive(p, rc);
        }
        return rc;
}

/* ---- life ---- */

static int refuse(const hb_plugin *p, int rc, const char *message, struct hb_err *e) {
        return hb_err_set(e, rc, p->source.path, "mend the file or name another policy",
                          "%s '%s' refused: %s", hb_policy_kind_name(p->kind), p->name, message);
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
        p->limits = *limits;
        rc = hb_sandbox_new(limits->memory_bytes, limits->seed + (uint64_t)k, guard, &p->sandbox);
        if (rc == 0)
                rc = start(p, message);
        if (rc == 0)
                rc = hb_plugin_try(p, k, message);
        if (rc == 0)
                rc = start(p, message); /* forgets what the trial taught it */
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
        return p->version;
}

const char *hb_plugin_hash(const hb_plugin *p) {
        return p->source.hash;
}
