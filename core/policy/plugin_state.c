/* plugin_state: a policy's memory carried from one state to another. The bytes are made in a room that is
 * there before the policy runs, so nothing allocates under its deadline. Cost: 1 MiB for the length of a
 * save.
 */
#include "base/fault.h"
#include "policy/plugin_inside.h"
#include "policy/state_codec.h"
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

struct saved {
        void *room;
        size_t size;
};

static int push_nothing(lua_State *L, hb_plugin *p, void *arg) {
        return 0;
}

static void read_saved(lua_State *L, hb_plugin *p, void *arg) {
        struct saved *s = arg;

        if (!lua_istable(L, -1))
                luaL_error(L, "save must return a table, not %s", luaL_typename(L, -1));
        s->size = hb_policy_state_encode(L, s->room, HB_STATE_MAX);
}

int hb_plugin_save(hb_plugin *p, struct hb_buf *out, char message[HB_PLUGIN_MESSAGE]) {
        struct saved s = {0};
        struct hb_plugin_job j = {.method = "save",
                                  .push = push_nothing,
                                  .results = 1,
                                  .read = read_saved,
                                  .arg = &s,
                                  .now_s = p->said.now_s};
        int rc;

        if (!p->made.wants.save)
                return 0;
        s.room = hb_fault("policy.save") ? NULL : malloc(HB_STATE_MAX);
        if (!s.room) {
                snprintf(message, HB_PLUGIN_MESSAGE, "not enough memory to save");
                return -ENOMEM;
        }
        rc = hb_plugin_do(p, &j, message, NULL);
        if (rc == 0)
                hb_buf_raw(out, s.room, s.size);
        free(s.room);
        if (rc == 0 && out->failed) {
                snprintf(message, HB_PLUGIN_MESSAGE, "not enough memory to save");
                return -ENOMEM;
        }
        return rc;
}

struct restored {
        const void *data;
        size_t size;
};

static int push_saved(lua_State *L, hb_plugin *p, void *arg) {
        const struct restored *r = arg;

        hb_policy_state_decode(L, r->data, r->size);
        if (!lua_istable(L, -1))
                luaL_error(L, "what was saved is damaged");
        return 1;
}

/* What was left half restored is worse than nothing: after any failure the policy starts afresh. */
int hb_plugin_restore(hb_plugin *p, const void *data, size_t size, char message[HB_PLUGIN_MESSAGE]) {
        struct restored r = {data, size};
        struct hb_plugin_job j = {.method = "restore", .push = push_saved, .arg = &r, .now_s = p->said.now_s};
        char ignored[HB_PLUGIN_MESSAGE];
        int rc;

        if (!p->made.wants.restore || !size)
                return 0;
        rc = hb_plugin_do(p, &j, message, NULL);
        if (rc == -EINVAL)
                hb_plugin_start(p, ignored);
        return rc;
}
