/* lua_module: `require "harbinger"` in a specification. harbinger.policy(path), harbinger.pages{...}. */
#include "author/lua_convert.h"
#include <dlfcn.h>

int luaopen_harbinger(lua_State *L);

/* An older Lua's state looks different inside and must not be touched by our Lua's functions, so its own one
 * speaks. A function under the first name is in no Lua from 5.4 on. */
static int refuse_older(lua_State *L) {
        int (*raise)(lua_State *, const char *, ...);

        if (!dlsym(RTLD_DEFAULT, "lua_newuserdata"))
                return 0;
        *(void **)&raise = dlsym(RTLD_DEFAULT, "luaL_error");
        return raise(L, "harbinger needs Lua 5.4: harbinger policy test, or busted --lua=lua5.4");
}

__attribute__((visibility("default"))) int luaopen_harbinger(lua_State *L) {
        if (refuse_older(L))
                return 0;
        luaL_checkversion(L);
        lua_newtable(L);
        hb_lua_open_policy(L);
        lua_setfield(L, -2, "policy");
        hb_lua_open_pages(L);
        lua_setfield(L, -2, "pages");
        lua_pushinteger(L, HB_POLICY_API);
        lua_setfield(L, -2, "api");
        lua_pushinteger(L, HB_POLICY_BUCKETS);
        lua_setfield(L, -2, "buckets");
        return 1;
}
