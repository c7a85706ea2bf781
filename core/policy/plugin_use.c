/* plugin_use: hb.use inside the state: another file's chunk, run once and remembered. Only files that were
 * gathered with the policy exist; nothing is read here. */
#include "policy/plugin_inside.h"
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static const char used_key = 0; /* in the registry: name -> what its chunk returned, false while it runs */

/* A used policy's params read as their defaults; a used policy that looks back lets its user look back. */
static void adopt(lua_State *L, hb_plugin *p, const char *chunk) {
        if (!lua_istable(L, -1))
                return;
        lua_pushliteral(L, "kind");
        if (lua_rawget(L, -2) == LUA_TSTRING) {
                hb_plugin_set_params(L, lua_gettop(L) - 1, chunk, NULL, NULL);
                lua_pushliteral(L, "history");
                lua_rawget(L, -3);
                if (lua_toboolean(L, -1))
                        p->making.wants.history = true;
                lua_pop(L, 1);
        }
        lua_pop(L, 1);
}

static int f_use(lua_State *L) {
        hb_plugin *p = lua_touserdata(L, lua_upvalueindex(1));
        const char *name = luaL_checkstring(L, 1);
        const struct hb_policy_part *part = hb_policy_source_part(&p->source, name);
        char chunk[sizeof part->name + 8];

        lua_settop(L, 1);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &used_key);
        lua_pushvalue(L, 1);
        if (lua_rawget(L, 2) == LUA_TBOOLEAN)
                return luaL_error(L, "hb.use: '%s' is used while it is being loaded", name);
        if (!lua_isnil(L, -1))
                return 1;
        if (!part)
                return luaL_error(
                        L,
                        "hb.use: there is no '%s' in this policy's bundle (a name is found where it "
                        "is written as hb.use \"folder/name\")",
                        name);
        lua_pushvalue(L, 1);
        lua_pushboolean(L, 0);
        lua_rawset(L, 2);
        snprintf(chunk, sizeof chunk, "%s.lua", part->name);
        hb_sandbox_compile(L, part->text, part->size, chunk);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1))
                return luaL_error(L, "hb.use: '%s' returns nothing", name);
        adopt(L, p, chunk);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, -2);
        lua_rawset(L, 2);
        return 1;
}

void hb_plugin_open_use(lua_State *L, hb_plugin *p) {
        lua_newtable(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &used_key);
        lua_pushlightuserdata(L, p);
        lua_pushcclosure(L, f_use, 1);
        lua_setfield(L, -2, "use");
}
