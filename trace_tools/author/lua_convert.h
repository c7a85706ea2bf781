/* lua_convert: between a specification's Lua tables and the host's structures. All of it raises Lua errors
 * that name the field; memory is the Lua state's. */
#pragma once
#include "policy/plugin.h"
#include <lauxlib.h>
#include <lua.h>

/* A list of `n` numbers, or one number for all, into d. `what` for errors. */
void hb_lua_read_floats(lua_State *L, int index, const char *what, float *d, uint32_t n);
void hb_lua_push_floats(lua_State *L, const float *v, uint32_t n);
/* A table of columns; its buffers stay on the stack above. */
void hb_lua_read_pages(lua_State *L, int index, struct hb_policy_pages *ret);
/* Tables that may be nil or left out; fields not given have the values of an ordinary guest on an idle link.
 */
void hb_lua_read_guest(lua_State *L, int index, struct hb_policy_guest *io);
void hb_lua_read_link(lua_State *L, int index, struct hb_policy_link *ret);
void hb_lua_read_accuracy(lua_State *L, int index, struct hb_policy_accuracy *ret);
void hb_lua_read_scores(lua_State *L, int index, uint32_t ret[HB_POLICY_BUCKETS], double *ret_previous);
/* Fields of a table that are in `known` only (NULL ends it); else an error that says `what` has no such
 * field. */
void hb_lua_check_fields(lua_State *L, int index, const char *what, const char *const *known);
double hb_lua_number_field(lua_State *L, int index, const char *what, const char *field, double otherwise);
void *hb_lua_buffer(lua_State *L, size_t size); /* zeroed, pushed */

/* lua_policy.c, lua_pages.c: make their types, push a constructor. */
void hb_lua_open_policy(lua_State *L);
void hb_lua_open_pages(lua_State *L);
struct hb_made_world;
struct hb_made_world *hb_lua_test_world(lua_State *L, int index); /* NULL: something else */
hb_plugin *hb_lua_test_policy(lua_State *L, int index);
/* What score reads as the predictor's answer for a world's pages; NULL: zeros. */
void hb_lua_world_expected(lua_State *L, int index, const float **ret_accesses, const float **ret_writes);
