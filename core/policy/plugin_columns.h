/* plugin_columns: what the makers of columns and methods of `pages` share. All inside a call; methods have
 * the plugin as upvalue 1 and the pages at index 1. */
#pragma once
#include "map/history.h"
#include "policy/plugin_inside.h"

hb_plugin *hb_plugin_of_method(lua_State *L);
/* The pages of the call going on, or a Lua error: index 1 is something else. */
const struct hb_policy_pages *hb_plugin_check_pages(lua_State *L);
void hb_plugin_check_history(lua_State *L, const char *what); /* raises when the policy did not ask for it */

/* plugin_past.c: pushes the column of that name that is made of the history; false: there is none. */
bool hb_plugin_make_past(lua_State *L, const struct hb_policy_pages *pages, const char *name);
void hb_plugin_forget_past(lua_State *L); /* another call begins */
int hb_plugin_m_active(lua_State *L);
int hb_plugin_m_active_writes(lua_State *L);
/* plugin_spread.c */
int hb_plugin_m_spread(lua_State *L);
/* plugin_model.c */
int hb_plugin_m_model(lua_State *L);
