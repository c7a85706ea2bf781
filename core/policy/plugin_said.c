/* plugin_said: see the header. A policy may be cut off at any moment, so what is written to the host's memory
 * is made ready first and put in its place under the guard's shield. Cost: below 1 us each. */
#include "policy/plugin_said.h"
#include "base/shape.h"
#include "policy/plugin_inside.h"
#include "policy/vec.h"
#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hb_plugin *plugin_of(lua_State *L) {
        return lua_touserdata(L, lua_upvalueindex(1));
}

/* What is said ends on terminals and in files of lines. */
static void copy_printable(char *to, size_t size, const char *from, size_t length) {
        size_t n = length < size - 1 ? length : size - 1;

        for (size_t i = 0; i < n; i++)
                to[i] = isprint((unsigned char)from[i]) ? from[i] : '?';
        to[n] = 0;
}

static void put_line(struct hb_plugin_said *s, const char *line) {
        if (s->now_s < s->second || s->now_s >= s->second + 1) {
                s->second = floor(s->now_s);
                s->this_second = 0;
        }
        if (++s->this_second > HB_SAID_A_SECOND) {
                s->this_second = HB_SAID_A_SECOND;
                s->dropped++;
                return;
        }
        if (s->lines == HB_SAID_LINES) { /* the oldest makes room */
                s->first = (s->first + 1) % HB_SAID_LINES;
                s->lines--;
                s->dropped++;
        }
        memcpy(s->line[(s->first + s->lines) % HB_SAID_LINES], line, HB_SAID_LINE);
        s->lines++;
}

static int f_log(lua_State *L) {
        char line[HB_SAID_LINE];
        size_t length;
        const char *text = luaL_checklstring(L, 1, &length);

        copy_printable(line, sizeof line, text, length);
        hb_sandbox_shield(L);
        put_line(&plugin_of(L)->said, line);
        hb_sandbox_unshield(L);
        return 0;
}

static int f_note(lua_State *L) {
        char note[HB_SAID_NOTE];
        size_t length;
        const char *text = luaL_checklstring(L, 1, &length);

        copy_printable(note, sizeof note, text, length);
        hb_sandbox_shield(L);
        memcpy(plugin_of(L)->said.note, note, sizeof note);
        hb_sandbox_unshield(L);
        return 0;
}

/* The counter's place; that of a new one may be `counters`, HB_SAID_COUNTERS when there are too many. */
static unsigned find_counter(const struct hb_plugin_said *s, const char *name) {
        unsigned i = 0;

        while (i < s->counters && strcmp(s->counter[i].name, name))
                i++;
        return i;
}

/* hb.counter(name, value): the counter has that value from now on. */
static int f_counter(lua_State *L) {
        struct hb_plugin_said *s = &plugin_of(L)->said;
        const char *name = luaL_checkstring(L, 1);
        double value = luaL_checknumber(L, 2);
        unsigned i;

        if (!hb_name_ok(name) || strlen(name) >= sizeof s->counter[0].name)
                return luaL_error(L, "counter: names are 1 to %d letters, digits, '.', '_' or '-'",
                                  (int)sizeof s->counter[0].name - 1);
        if (!isfinite(value))
                return luaL_error(L, "counter: '%s' is NaN or infinity", name);
        i = find_counter(s, name);
        if (i == HB_SAID_COUNTERS)
                return luaL_error(L, "counter: '%s' is one more than the %d a policy may have", name,
                                  (int)HB_SAID_COUNTERS);
        hb_sandbox_shield(L);
        snprintf(s->counter[i].name, sizeof s->counter[i].name, "%s", name);
        s->counter[i].value = value;
        if (i == s->counters)
                s->counters++;
        hb_sandbox_unshield(L);
        return 0;
}

/* hb.term(name, value) -> value. When an answer is explained, that page's value is kept. */
static int f_term(lua_State *L) {
        struct hb_plugin_terms *t = plugin_of(L)->terms;
        const char *name = luaL_checkstring(L, 1);
        struct hb_vec_node *node = hb_vec_test(L, 2);
        char copy[sizeof t->term[0].name];

        if (!node && lua_type(L, 2) != LUA_TNUMBER)
                return luaL_error(L, "term: '%s' must be a vector or a number, not %s", name,
                                  luaL_typename(L, 2));
        lua_settop(L, 2);
        if (!t || t->count == HB_SAID_TERMS || (node && t->at >= node->n))
                return 1;
        copy_printable(copy, sizeof copy, name, strlen(name));
        if (node)
                lua_geti(L, 2, (lua_Integer)t->at + 1);
        hb_sandbox_shield(L);
        memcpy(t->term[t->count].name, copy, sizeof copy);
        t->term[t->count++].value = lua_tonumber(L, -1);
        hb_sandbox_unshield(L);
        lua_settop(L, 2);
        return 1;
}

void hb_plugin_open_said(lua_State *L, struct hb_plugin *p) {
        static const luaL_Reg functions[] = {
                {"log", f_log}, {"note", f_note}, {"counter", f_counter}, {"term", f_term}, {NULL, NULL}};

        lua_pushlightuserdata(L, p);
        luaL_setfuncs(L, functions, 1);
}

/* ---- for the host ---- */

void hb_plugin_take_log(hb_plugin *p, void (*said)(void *arg, const char *line), void *arg) {
        struct hb_plugin_said *s = &p->said;
        char more[64];

        for (; s->lines; s->lines--, s->first = (s->first + 1) % HB_SAID_LINES)
                said(arg, s->line[s->first]);
        if (s->dropped) {
                snprintf(more, sizeof more, "(%llu more lines were left out)",
                         (unsigned long long)s->dropped);
                said(arg, more);
        }
        s->dropped = 0;
}

void hb_plugin_counters(const hb_plugin *p, void (*counted)(void *arg, const char *name, double value),
                        void *arg) {
        for (unsigned i = 0; i < p->said.counters; i++)
                counted(arg, p->said.counter[i].name, p->said.counter[i].value);
}

const char *hb_plugin_note(const hb_plugin *p) {
        return p->said.note;
}
