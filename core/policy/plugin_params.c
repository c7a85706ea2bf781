/* plugin_params: a policy's numbers that an operator may turn.
 *
 * The declarations are data of the policy's table; what the policy reads under self.params are plain values.
 * Invariant: hb_plugin.made.param holds the value that the state reads from the next call on, within its
 * range; a restart of the state keeps it. */
#include "base/shape.h"
#include "policy/plugin_inside.h"
#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char params_key = 0; /* the values' table, in the registry */

static bool whole(double v) {
        return !isfinite(v) || (v == floor(v) && fabs(v) <= 0x1p53);
}

/* A string field of the declaration on top of the stack, printable, "" when there is none. */
static void text_field(lua_State *L, const char *chunk, const char *param, const char *field, char *ret,
                       size_t size) {
        int type = lua_getfield(L, -1, field);
        const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : "";

        if (type != LUA_TSTRING && type != LUA_TNIL)
                luaL_error(L, "%s: params.%s: '%s' must be a string", chunk, param, field);
        snprintf(ret, size, "%s", text);
        for (char *c = ret; *c; c++)
                if (!isprint((unsigned char)*c))
                        *c = '?';
        lua_pop(L, 1);
}

/* A number field of the declaration; a boolean's default is true or false. */
static double limit(lua_State *L, const char *chunk, const struct hb_policy_param *param, const char *field,
                    double otherwise) {
        int type = lua_getfield(L, -1, field);
        double v = type == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;

        if ((type != LUA_TNUMBER && type != LUA_TNIL) || isnan(v))
                luaL_error(L, "%s: params.%s: '%s' must be a number", chunk, param->name, field);
        if (!strcmp(param->type, "integer") && !whole(v))
                luaL_error(L, "%s: params.%s: '%s' must be a whole number", chunk, param->name, field);
        lua_pop(L, 1);
        return v;
}

static void read_boolean(lua_State *L, const char *chunk, struct hb_policy_param *p) {
        if (lua_getfield(L, -1, "default") != LUA_TBOOLEAN)
                luaL_error(L, "%s: params.%s: the default of a boolean is true or false", chunk, p->name);
        p->initial = lua_toboolean(L, -1);
        p->min = 0;
        p->max = 1;
        lua_pop(L, 1);
}

static void read_number(lua_State *L, const char *chunk, struct hb_policy_param *p) {
        p->min = limit(L, chunk, p, "min", -HUGE_VAL);
        p->max = limit(L, chunk, p, "max", HUGE_VAL);
        if (lua_getfield(L, -1, "default") != LUA_TNUMBER)
                luaL_error(L, "%s: params.%s: the default must be a number%s", chunk, p->name,
                           lua_isboolean(L, -1) ? ", or say type = \"boolean\"" : "");
        lua_pop(L, 1);
        p->initial = limit(L, chunk, p, "default", 0);
        if (!(p->min <= p->initial && p->initial <= p->max))
                luaL_error(L, "%s: params.%s: the default must lie between min and max", chunk, p->name);
}

static void read_type(lua_State *L, const char *chunk, struct hb_policy_param *p) {
        char type[16];

        text_field(L, chunk, p->name, "type", type, sizeof type);
        if (!*type)
                snprintf(type, sizeof type, "number");
        if (strcmp(type, "number") && strcmp(type, "integer") && strcmp(type, "boolean"))
                luaL_error(L, "%s: params.%s: the type is \"number\", \"integer\" or \"boolean\"", chunk,
                           p->name);
        snprintf(p->type, sizeof p->type, "%.7s", type);
}

/* The declaration is on top of the stack, its name below. */
static void read_param(lua_State *L, const char *chunk, struct hb_policy_param *p) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;

        memset(p, 0, sizeof *p);
        if (!name || !hb_name_ok(name) || !lua_istable(L, -1))
                luaL_error(L, "%s: params must be name = { default =, min =, max =, help = }", chunk);
        snprintf(p->name, sizeof p->name, "%s", name);
        read_type(L, chunk, p);
        if (!strcmp(p->type, "boolean"))
                read_boolean(L, chunk, p);
        else
                read_number(L, chunk, p);
        if (lua_getfield(L, -1, "help") != LUA_TSTRING)
                luaL_error(L, "%s: params.%s: 'help' must be a string", chunk, p->name);
        lua_pop(L, 1);
        text_field(L, chunk, p->name, "help", p->help, sizeof p->help);
        text_field(L, chunk, p->name, "unit", p->unit, sizeof p->unit);
        p->value = p->initial;
}

static void push_value(lua_State *L, const struct hb_policy_param *p) {
        if (!strcmp(p->type, "boolean"))
                lua_pushboolean(L, p->value != 0);
        else if (!strcmp(p->type, "integer") && fabs(p->value) <= 0x1p53)
                lua_pushinteger(L, (lua_Integer)p->value);
        else
                lua_pushnumber(L, p->value);
}

static const struct hb_policy_param *find(const struct hb_plugin_made *m, const char *name) {
        for (unsigned i = 0; m && i < m->params; i++)
                if (!strcmp(m->param[i].name, name))
                        return &m->param[i];
        return NULL;
}

static void insert(struct hb_plugin_made *m, const struct hb_policy_param *p) {
        unsigned at = m->params;

        while (at > 0 && strcmp(m->param[at - 1].name, p->name) > 0)
                at--;
        memmove(&m->param[at + 1], &m->param[at], (m->params - at) * sizeof m->param[0]);
        m->param[at] = *p;
        m->params++;
}

void hb_plugin_set_params(lua_State *L, int index, const char *chunk, const struct hb_plugin_made *keep,
                          struct hb_plugin_made *ret) {
        int type = lua_getfield(L, index, "params"), top = lua_gettop(L), from;
        struct hb_policy_param param;
        unsigned count = 0;

        if (type != LUA_TTABLE && type != LUA_TNIL)
                luaL_error(L, "%s: params must be a table", chunk);
        if (type == LUA_TNIL)
                lua_newtable(L);
        from = lua_gettop(L);
        lua_newtable(L);
        for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
                read_param(L, chunk, &param);
                if (++count > HB_PLUGIN_PARAMS)
                        luaL_error(L, "%s: more than %d params", chunk, (int)HB_PLUGIN_PARAMS);
                if (find(keep, param.name))
                        param.value = find(keep, param.name)->value;
                if (ret)
                        insert(ret, &param);
                lua_pushvalue(L, -2);
                push_value(L, &param);
                lua_rawset(L, from + 1);
        }
        if (ret) {
                lua_pushvalue(L, from + 1);
                lua_rawsetp(L, LUA_REGISTRYINDEX, &params_key);
        }
        lua_setfield(L, index, "params");
        lua_settop(L, top - 1);
}

void hb_plugin_apply_params(lua_State *L, hb_plugin *p) {
        if (!p->tuned)
                return;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &params_key);
        for (unsigned i = 0; i < p->made.params; i++) {
                lua_pushstring(L, p->made.param[i].name);
                push_value(L, &p->made.param[i]);
                lua_rawset(L, -3);
        }
        lua_pop(L, 1);
        p->tuned = false;
}

/* ---- for the host ---- */

unsigned hb_plugin_params(const hb_plugin *p, struct hb_policy_param *ret, unsigned room) {
        unsigned n = p->made.params < room ? p->made.params : room;

        if (n)
                memcpy(ret, p->made.param, n * sizeof *ret);
        return p->made.params;
}

static int out_of_range(const hb_plugin *p, const struct hb_policy_param *param, double value,
                        struct hb_err *e) {
        char next[128];

        if (!strcmp(param->type, "boolean"))
                snprintf(next, sizeof next, "say 1 (true) or 0 (false)");
        else
                snprintf(next, sizeof next, "%s from %g to %g %s",
                         strcmp(param->type, "integer") ? "a number" : "a whole number", param->min,
                         param->max, param->unit);
        return hb_err_set(e, -ERANGE, param->name, next, "%s '%s': %g is no value for '%s'",
                          hb_policy_kind_name(p->kind), p->name, value, param->name);
}

int hb_plugin_tune(hb_plugin *p, const char *param, double value, struct hb_err *e) {
        struct hb_policy_param *found = (struct hb_policy_param *)find(&p->made, param);
        char names[256] = "it has none";
        size_t at = 0;

        if (!found) {
                for (unsigned i = 0; i < p->made.params && at < sizeof names; i++)
                        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "it has ",
                                               p->made.param[i].name);
                return hb_err_set(e, -ENOENT, param, names, "%s '%s' has no param '%s'",
                                  hb_policy_kind_name(p->kind), p->name, param);
        }
        if (!(found->min <= value && value <= found->max) || !isfinite(value) ||
            (strcmp(found->type, "number") && !whole(value)))
                return out_of_range(p, found, value, e);
        found->value = value;
        p->tuned = true;
        return 0;
}
