/* vec_push: vectors made by the host for one call. Only core/policy's Lua files include this. */
#pragma once
#include <lua.h>
#include <stdint.h>

/* As hb_vec_push_new, but stale after the call, as the columns are that lie in the host's memory. */
float *hb_vec_push_call(lua_State *L, uint32_t n);
