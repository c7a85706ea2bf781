/* fuzz_policy_source: any bytes as a policy's file either are refused with a printable reason, or give a
 * policy whose results are finite, within the memory and time it was given. The first byte says which kind.
 */
#include "policy/plugin.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_message(const char *text) {
        check(*text != 0);
        for (; *text; text++)
                check((unsigned char)*text >= 32 && *text != 127);
}

static void check_call(hb_plugin *p, enum hb_policy_kind k) {
        static const float column[PAGES] = {0, 1, 2, 3, 1e6f, 1e9f, 0.1f, 4096};
        float out[2][PAGES];
        uint32_t histogram[HB_POLICY_BUCKETS] = {1, 2, 3};
        struct hb_policy_pages pages = {PAGES,  column, column, column, column,
                                        column, column, column, column};
        struct hb_policy_guest guest = {.horizon_s = 10, .epoch_s = 1};
        struct hb_policy_link link = {1e-4, 1e8, 1e8, 0.5, 0};
        struct hb_policy_accuracy accuracy = {.precision = 0.5, .recall = -1, .wasted_share = -1};
        struct hb_plugin_call c = {.pages = &pages,
                                   .guest = &guest,
                                   .link = &link,
                                   .accuracy = &accuracy,
                                   .histogram = histogram,
                                   .out = {out[0], out[1]}};
        char message[HB_PLUGIN_MESSAGE];

        if (hb_plugin_run(p, &c, message, NULL) < 0) {
                check_message(message);
                return;
        }
        if (k == HB_POLICY_THRESHOLD)
                check(isfinite(c.number));
        for (unsigned i = 0; i < PAGES && k != HB_POLICY_THRESHOLD; i++)
                check(isfinite(out[0][i]) && (k != HB_POLICY_PREDICTOR || isfinite(out[1][i])));
}

/* What it has beside its method: each call ends, and leaves a reason when it failed. */
static void check_rest(hb_plugin *p) {
        static const struct hb_policy_run run = {1, 2, true};
        static const struct hb_policy_observed o = {.epoch = 1, .runs = &run, .nruns = 1, .accessed = 2};
        static const struct hb_policy_outcome outcome = {.lesson = 1, .n = PAGES, .horizon_s = 10};
        static const struct hb_policy_guest guest = {.now_s = 1, .horizon_s = 10};
        static const struct hb_policy_pages pages = {.n = PAGES};
        struct hb_policy_param param[4];
        struct hb_buf saved = {0};
        char message[HB_PLUGIN_MESSAGE];

        if (hb_plugin_observe(p, &o, &guest, message, NULL) < 0)
                check_message(message);
        if (hb_plugin_rehearse(p, &pages, &guest, 1, message, NULL) < 0)
                check_message(message);
        if (hb_plugin_learn(p, &outcome, &guest, message, NULL) < 0)
                check_message(message);
        if (hb_plugin_save(p, &saved, message) < 0)
                check_message(message);
        else if (hb_plugin_restore(p, saved.data, saved.len, message) < 0)
                check_message(message);
        hb_buf_free(&saved);
        for (unsigned n = hb_plugin_params(p, param, 4), i = 0; i < n && i < 4; i++)
                check(hb_plugin_tune(p, param[i].name, param[i].initial, NULL) == 0 ||
                      !isfinite(param[i].initial));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct hb_plugin_limits limits = {.memory_bytes = 4 << 20, .deadline_ns = 10000000};
        struct hb_policy_source source;
        struct hb_err e = {0};
        enum hb_policy_kind k;
        hb_plugin *p;
        hb_guard *g;

        if (size < 1 || size > HB_POLICY_SOURCE_MAX)
                return 0;
        k = (enum hb_policy_kind)(data[0] % HB_POLICY_KINDS);
        check(hb_guard_new(&g) == 0);
        check(hb_policy_source_set(k, "p", data + 1, size - 1, &source) == 0);
        if (hb_plugin_new(k, "p", &source, &limits, g, &p, &e) < 0) {
                check_message(e.what);
        } else {
                check_rest(p);
                check_call(p, k);
                hb_plugin_free(p);
        }
        hb_guard_free(g);
        return 0;
}
