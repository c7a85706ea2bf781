/* plugin_inside: what plugin*.c share: the plugin itself, and how one of its methods is called. */
#pragma once
#include "base/shape.h"
#include "policy/plugin.h"
#include "policy/plugin_said.h"
#include "policy/sandbox.h"

#define HB_PLUGIN_PARAMS 64u

struct hb_plugin_made { /* what loading finds in the policy's table */
        char version[32];
        struct hb_policy_param param[HB_PLUGIN_PARAMS]; /* by name */
        unsigned params;
        struct hb_plugin_wants wants;
};

struct hb_plugin {
        enum hb_policy_kind kind;
        char name[HB_NAME_MAX];
        struct hb_policy_source source;
        struct hb_plugin_limits limits;
        hb_sandbox *sandbox;
        /* A load may be cut off anywhere, so it fills `making`, which becomes `made` when it has succeeded.
         */
        struct hb_plugin_made made, making;
        bool loaded; /* `made` holds something: a restart keeps its params' values */
        bool tuned;  /* a value in `made` has not reached the state yet */
        bool trying; /* the dry run: the model is a made-up one */
        const struct hb_model *model;
        const struct hb_policy_pages *pages; /* of the call going on */
        struct hb_plugin_said said;
        struct hb_plugin_terms *terms; /* NULL: nobody asked */
};

/* One call of a method of the policy's. `push` pushes the arguments behind self and returns how many; `read`
 * (may be NULL) reads the results from the top of the stack. Both may raise. */
struct hb_plugin_job {
        const char *method;
        int (*push)(lua_State *L, hb_plugin *p, void *arg);
        int results;
        void (*read)(lua_State *L, hb_plugin *p, void *arg);
        void *arg;
        double now_s; /* the guest's time, for what is limited by time */
};
int hb_plugin_do(hb_plugin *p, const struct hb_plugin_job *j, char message[HB_PLUGIN_MESSAGE],
                 uint64_t *ret_cpu_ns);
/* A fresh state with the policy loaded and nothing remembered. */
int hb_plugin_start(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]);
/* The policy's table, on the stack. */
void hb_plugin_push_self(lua_State *L);

/* plugin_params.c, inside a call. Reads the declarations in the field `params` of the table at `index` and
 * replaces them by values: those kept in `keep` (may be NULL), else the defaults; declarations go to `ret`
 * (may be NULL). `chunk` names the file in errors. */
void hb_plugin_set_params(lua_State *L, int index, const char *chunk, const struct hb_plugin_made *keep,
                          struct hb_plugin_made *ret);
/* Tuned values reach the state. */
void hb_plugin_apply_params(lua_State *L, hb_plugin *p);

/* plugin_use.c, inside a call: hb.use. */
void hb_plugin_open_use(lua_State *L, hb_plugin *p);

/* plugin_columns.c, inside a call: what `pages` computes when it is named. Open: once a state. Watch: the
 * table on top of the stack is the pages of the call going on. */
void hb_plugin_open_columns(lua_State *L, hb_plugin *p);
void hb_plugin_watch_pages(lua_State *L, hb_plugin *p, const struct hb_policy_pages *pages);
