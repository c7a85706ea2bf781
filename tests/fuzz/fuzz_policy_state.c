/* fuzz_policy_state: any bytes as what a policy saved either are refused with a printable reason, and the
 * policy runs on afresh; or are restored, and what it then saves is restored to the same again. */
#include "policy/plugin.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "local p = { api = 1, kind = 'threshold', name = 'p', version = '1' }\n"
                           "local m = { 1 }\n"
                           "function p:save() return m end\n"
                           "function p:restore(data) m = data end\n"
                           "function p:threshold() return #m end\n"
                           "return p\n";

static void check(bool ok) {
        if (!ok)
                abort();
}

static hb_plugin *load(void) {
        static const struct hb_plugin_limits limits = {.memory_bytes = 16 << 20, .deadline_ns = 1000000000};
        struct hb_policy_source source;
        hb_plugin *p;
        hb_guard *g;

        check(hb_guard_new(&g) == 0); /* one for all inputs: reachable to the end */
        check(hb_policy_source_set(HB_POLICY_THRESHOLD, "p", text, sizeof text - 1, &source) == 0);
        check(hb_plugin_new(HB_POLICY_THRESHOLD, "p", &source, &limits, g, &p, NULL) == 0);
        return p;
}

static void check_alive(hb_plugin *p) {
        static const uint32_t histogram[HB_POLICY_BUCKETS];
        static const struct hb_policy_guest guest;
        static const struct hb_policy_link link;
        static const struct hb_policy_accuracy accuracy;
        struct hb_plugin_call c = {
                .guest = &guest, .link = &link, .accuracy = &accuracy, .histogram = histogram};
        char message[HB_PLUGIN_MESSAGE];

        check(hb_plugin_run(p, &c, message, NULL) == 0);
}

static void check_round(hb_plugin *p) {
        struct hb_buf first = {0}, second = {0};
        char message[HB_PLUGIN_MESSAGE];
        int rc = hb_plugin_save(p, &first, message);

        check(rc == 0 || rc == -ENOMEM || rc == -EINVAL); /* EINVAL: grown past the limit */
        if (rc == 0) {
                check(hb_plugin_restore(p, first.data, first.len, message) == 0);
                check(hb_plugin_save(p, &second, message) == 0);
                check(first.len == second.len && !memcmp(first.data, second.data, first.len));
        }
        hb_buf_free(&first);
        hb_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static hb_plugin *p;
        char message[HB_PLUGIN_MESSAGE] = "";

        if (!p)
                p = load();
        if (hb_plugin_restore(p, data, size, message) < 0) {
                check(*message != 0);
                for (const char *c = message; *c; c++)
                        check((unsigned char)*c >= 32 && *c != 127);
        } else if (size) {
                check_round(p);
        }
        check_alive(p);
        return 0;
}
