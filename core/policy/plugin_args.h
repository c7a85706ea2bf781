/* plugin_args: a call's inputs as Lua values, and its results back. Only core/policy's Lua files include
 * this. Inside a protected call; the fields' names are the policy API (docs/POLICY_API.md) and are only ever
 * added to. */
#pragma once
#include "policy/plugin.h"
#include <lua.h>

/* Pushes the arguments of the kind's method; returns how many. */
int hb_plugin_push_args(lua_State *L, hb_plugin *p, const struct hb_plugin_call *c);
void hb_plugin_push_pages(lua_State *L, hb_plugin *p, const struct hb_policy_pages *pages,
                          bool with_prediction);
void hb_plugin_push_guest(lua_State *L, const struct hb_policy_guest *g);
/* Reads the method's results from the top of the stack into c->out or c->number, or raises. */
void hb_plugin_read_results(lua_State *L, enum hb_policy_kind k, struct hb_plugin_call *c);
int hb_plugin_results(enum hb_policy_kind k);        /* values the method returns */
const char *hb_plugin_method(enum hb_policy_kind k); /* "predict", "score", "threshold" */
