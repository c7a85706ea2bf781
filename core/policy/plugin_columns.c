/* plugin_columns: columns and methods of `pages` that are made when a policy names them, and not before.
 *
 * Invariant: only the pages of the call going on answer; what was made is kept in that table, so it is made
 * once a call. Everything made lies in the state's own memory, so a deadline may cut it anywhere. Cost: of
 * what is named, one pass over the pages. */
#include "policy/plugin_columns.h"
#include "policy/vec.h"
#include "policy/vec_push.h"
#include <lauxlib.h>
#include <string.h>

static const char pages_key = 0, metatable_key = 0; /* in the registry */

const struct hb_policy_pages *hb_plugin_check_pages(lua_State *L) {
        hb_plugin *p = hb_plugin_of_method(L);

        lua_rawgetp(L, LUA_REGISTRYINDEX, &pages_key);
        if (!p->pages || !lua_rawequal(L, 1, -1))
                luaL_error(L, "these are not the pages of this call (methods are called with ':')");
        lua_pop(L, 1);
        return p->pages;
}

hb_plugin *hb_plugin_of_method(lua_State *L) {
        return lua_touserdata(L, lua_upvalueindex(1));
}

void hb_plugin_check_history(lua_State *L, const char *what) {
        const hb_plugin *p = hb_plugin_of_method(L);

        /* while loading, what was found so far counts */
        if (!p->made.wants.history)
                luaL_error(L, "pages.%s looks back: put history = true into the policy's table", what);
}

/* ---- columns that need no history ---- */

static void make_heat(lua_State *L, const struct hb_policy_pages *pages) {
        hb_vec_push_column(L, pages->read_heat, pages->n);
        hb_vec_push_column(L, pages->write_heat, pages->n);
        lua_arith(L, LUA_OPADD);
}

static void make_known(lua_State *L, const struct hb_policy_pages *pages) {
        hb_vec_push_column(L, pages->known, pages->n);
}

static void make_block(lua_State *L, const struct hb_policy_pages *pages) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++)
                v[i] = pages->gfn ? (float)(pages->gfn[i] >> HB_BLOCK_SHIFT) : 0.0f;
}

static void make_offset(lua_State *L, const struct hb_policy_pages *pages) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++)
                v[i] = pages->gfn ? (float)(pages->gfn[i] % HB_BLOCK_PAGES) : 0.0f;
}

static const struct {
        const char *name;
        void (*make)(lua_State *L, const struct hb_policy_pages *pages);
} plain[] = {{"heat", make_heat}, {"known", make_known}, {"block", make_block}, {"offset", make_offset}};

/* pages.name, when the table has no such field. Upvalues: the plugin, the methods. */
static int f_index(lua_State *L) {
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
        const struct hb_policy_pages *pages;
        bool found = false;

        lua_settop(L, 2);
        lua_pushvalue(L, 2);
        if (!name || lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
                return name ? 1 : 0;
        pages = hb_plugin_check_pages(L);
        for (unsigned i = 0; i < sizeof plain / sizeof *plain && !found; i++)
                if (!strcmp(plain[i].name, name)) {
                        plain[i].make(L, pages);
                        found = true;
                }
        if (!found)
                found = hb_plugin_make_past(L, pages, name);
        if (!found)
                return 0;
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1);
        return 1;
}

void hb_plugin_open_columns(lua_State *L, hb_plugin *p) {
        static const luaL_Reg methods[] = {{"spread", hb_plugin_m_spread},
                                           {"active", hb_plugin_m_active},
                                           {"active_writes", hb_plugin_m_active_writes},
                                           {"model", hb_plugin_m_model},
                                           {NULL, NULL}};

        lua_createtable(L, 0, 2);
        lua_pushlightuserdata(L, p);
        luaL_newlibtable(L, methods);
        lua_pushlightuserdata(L, p);
        luaL_setfuncs(L, methods, 1);
        lua_pushcclosure(L, f_index, 2);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
}

void hb_plugin_watch_pages(lua_State *L, hb_plugin *p, const struct hb_policy_pages *pages) {
        p->pages = pages;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pages_key);
        hb_plugin_forget_past(L);
}
