/* fuzz_policy_change: any bytes as a change are refused, or are the one form of a change; and a set of
 * policies takes it or says why not, and answers as before until the next epoch. */
#include "policy/change.h"
#include "policy/lesson.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void answer(hb_policies *p, float out[PAGES]) {
        static const float column[PAGES] = {0, 1, 2, 1e6f, 4096};
        struct hb_policy_pages pages = {.n = PAGES, .predicted = column, .read_heat = column};
        struct hb_policy_link link = {1e-4, 1e8, 1e8, 0.5, 0};
        struct hb_policy_accuracy accuracy = {.precision = -1, .recall = -1, .wasted_share = -1};
        struct hb_policy_guest guest = {.horizon_s = 10, .epoch_s = 1};

        hb_policies_score(p, &pages, &guest, &link, &accuracy, out);
}

static void apply(const struct hb_policy_change *c) {
        struct hb_policy_options o = {.memory_bytes = 4 << 20, .deadline_ns = 10000000};
        struct hb_policy_guest guest = {.horizon_s = 10, .epoch_s = 1};
        float before[PAGES], after[PAGES];
        struct hb_err e = {0};
        hb_policies *p;

        check(hb_policies_new(&o, &p, NULL) == 0);
        answer(p, before);
        if (hb_policies_change(p, c, &e) < 0)
                check(e.code < 0 && *e.what);
        answer(p, after);
        check(!memcmp(before, after, sizeof before));
        hb_policies_epoch(p, &guest);
        answer(p, after);
        hb_policies_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_policy_change c;
        struct hb_buf again = {0};
        int rc = hb_policy_change_decode(&in, &c);

        if (rc < 0) {
                check(rc == -EBADMSG);
                return 0;
        }
        hb_policy_change_encode(&c, &again);
        check(!again.failed && again.len <= size && !memcmp(again.data, data, again.len));
        apply(&c);
        hb_buf_free(&again);
        return 0;
}
