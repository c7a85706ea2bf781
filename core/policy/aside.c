/* aside: asks a policy as if it had not been asked.
 *
 * Lessons and explanations ask the policies that decide, which may remember their calls. So that nobody who
 * only looks changes a decision (or makes a recording impossible to repeat), the state is copied before and
 * put back after: it lives in one arena, so that is a copy of the bytes in use. A call that is cut off costs
 * the state nothing either. Cost: 20-200 us, with the policy's memory. */
#include "base/fault.h"
#include "policy/host.h"
#include "policy/plugin_inside.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct before {
        hb_sandbox_copy *sandbox;
        struct hb_plugin *plugin; /* what it keeps outside of its state: params, words, counters */
};

static int keep(const hb_plugin *p, struct before *ret, char message[HB_PLUGIN_MESSAGE]) {
        struct before b = {.plugin = hb_fault("policy.aside") ? NULL : malloc(sizeof *b.plugin)};
        int rc = b.plugin ? hb_sandbox_keep(p->sandbox, &b.sandbox) : -ENOMEM;

        if (rc < 0) {
                free(b.plugin);
                snprintf(message, HB_PLUGIN_MESSAGE, "%s",
                         rc == -ENOENT ? "the policy is not loaded" : "not enough memory to ask it aside");
                return rc == -ENOENT ? -EINVAL : rc;
        }
        memcpy(b.plugin, p, sizeof *p);
        *ret = b;
        return 0;
}

static void put_back(hb_plugin *p, struct before *b) {
        hb_sandbox_put_back(p->sandbox, b->sandbox);
        memcpy(p, b->plugin, sizeof *p);
        free(b->plugin);
}

int hb_aside_run(hb_plugin *p, struct hb_plugin_call *c, char message[HB_PLUGIN_MESSAGE],
                 uint64_t *ret_cpu_ns) {
        struct before b;
        int rc;

        *ret_cpu_ns = 0;
        rc = keep(p, &b, message);
        if (rc < 0)
                return rc;
        rc = hb_plugin_run(p, c, message, ret_cpu_ns);
        put_back(p, &b);
        return rc;
}

int hb_aside_save(hb_plugin *p, struct hb_buf *out, char message[HB_PLUGIN_MESSAGE]) {
        struct before b;
        int rc = keep(p, &b, message);

        if (rc < 0)
                return rc;
        rc = hb_plugin_save(p, out, message);
        put_back(p, &b);
        return rc;
}
