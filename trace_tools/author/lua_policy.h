/* lua_policy: what the files of harbinger.policy share. */
#pragma once
#include "author/load.h"
#include "author/lua_convert.h"
#include "nn/model.h"

struct hb_lua_policy {
        hb_plugin *plugin;
        hb_model *model;
        struct hb_author_policy where;
        uint64_t spent_ns;
};

struct hb_lua_asked {
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
};

/* The policy at 1, which must be of that kind; the stack then has 5 elements. */
struct hb_lua_policy *hb_lua_check_kind(lua_State *L, enum hb_policy_kind kind, const char *method);
/* Argument 2 is pages: a builder's, which then says what the guest is like, too, or a table; `guest` is an
 * index. */
void hb_lua_read_asked(lua_State *L, struct hb_lua_asked *a, int guest);
extern const struct hb_policy_guest hb_lua_some_guest; /* an ordinary one */
/* lua_learn.c adds observe, rehearse and learn to the table on top of the stack. */
void hb_lua_add_learning(lua_State *L);
