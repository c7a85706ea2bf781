/* plugin_try: see the header. Values stay within what policy.h promises, so a failure is the policy's own:
 * the usual one is a division by a free bandwidth of 0. Cost: 2-20 ms once a load, up to 30 ms of a policy
 * that looks back and learns. */
#include "policy/plugin_try.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 9
#define ROUNDS  6

struct trial {
        float *columns;
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
        uint32_t histogram[HB_POLICY_BUCKETS];
        struct hb_trial_past past;
};

/* Awkward values by column, cycled through with a different stride each round so that all pairs meet. */
static float awkward(unsigned column, unsigned i) {
        static const float rates[] = {0, 1e-30f, 1e-6f, 0.01f, 1, 100, 1e4f, 1e6f};
        static const float ages[] = {0, 1e-6f, 0.5f, 1, 30, 3600, 1e6f, 1e9f};
        static const float sizes[] = {1, 8, 64, 300, 4096, 4128, 1e5f, 2097152};
        static const float runs[] = {1, 1, 2, 3, 16, 512, 4096, HB_POLICY_BATCH};
        static const float known[] = {0, 0, 1, 0, 0, 1, 0, 0};
        static const float *const kinds[COLUMNS] = {rates, rates, ages,  ages, runs,
                                                    sizes, rates, rates, known};

        return kinds[column][(i / (1 + column)) % 8];
}

static void fill(struct trial *t, uint32_t n, unsigned round) {
        float *c[COLUMNS];

        for (unsigned k = 0; k < COLUMNS; k++) {
                c[k] = t->columns + (size_t)k * HB_POLICY_BATCH;
                for (uint32_t i = 0; i < n; i++)
                        c[k][i] = awkward(k, i + round * 3);
        }
        t->pages = (struct hb_policy_pages){.n = n};
        if (round == 0) /* no columns at all: they read as zeros */
                return;
        t->pages = (struct hb_policy_pages){n,    c[0], c[1], c[2], c[3],       c[4],
                                            c[5], c[6], c[7], c[8], t->past.gfn};
        if (round > 1) { /* pages without a past, then with one */
                t->pages.history = t->past.history;
                t->pages.window = t->past.window + round;
        }
}

static void set_world(struct trial *t, unsigned round) {
        static const double speeds[ROUNDS] = {0, 1, 1e9, 1.25e8, 1e3, 1.25e10};
        double busy = (double)(round % 3) / 2;

        t->guest = (struct hb_policy_guest){
                .now_s = round * 1e4, .horizon_s = 5 + 5 * round, .draining = round == 4};
        if (round > 1) {
                t->guest.pages = 1e6;
                t->guest.resident_pages = 5e5;
                t->guest.absent_pages = 5e5;
                t->guest.dirty_bytes_per_s = round == 3 ? 1e10 : 1e6;
                t->guest.epoch_s = 1;
        }
        t->link = (struct hb_policy_link){.latency_s = round == 5 ? 1 : round * 1e-4,
                                          .bytes_per_s = speeds[round],
                                          .free_bytes_per_s = speeds[round] * (1 - busy),
                                          .used_share = busy,
                                          .cap_bytes_per_s = round & 1 ? speeds[round] : 0,
                                          .confidence = (double)round / 5,
                                          .pace_loss = round == 4 ? 1 : 0};
        t->accuracy = (struct hb_policy_accuracy){.precision = (double)round / 2 - 1,
                                                  .recall = (double)round / 2 - 1,
                                                  .wasted_share = (double)round / 2 - 1};
        if (round > 3)
                t->accuracy.precision = t->accuracy.recall = t->accuracy.wasted_share = round == 4 ? 0 : 1;
        for (unsigned i = 0; i < HB_POLICY_BUCKETS; i++)
                t->histogram[i] = round ? (i * round * 977) % 5000 : 0;
}

static int run_rounds(hb_plugin *p, struct trial *t, struct hb_plugin_call *c, char *message) {
        static const uint32_t sizes[ROUNDS] = {3, 1, 257, 1000, 8, HB_POLICY_BATCH};
        int rc = 0;

        for (unsigned round = 0; rc == 0 && round < ROUNDS; round++) {
                set_world(t, round);
                if (p->kind != HB_POLICY_THRESHOLD)
                        fill(t, sizes[round], round);
                c->previous = round ? 1 - (double)round / 2 : 0;
                rc = hb_plugin_run(p, c, message, NULL);
        }
        return rc;
}

/* What it remembers is carried over twice: fresh, and when it has seen something. */
static int run_all(hb_plugin *p, struct trial *t, struct hb_plugin_call *c, char *message) {
        int rc = hb_trial_carry_over(p, message);

        if (rc == 0)
                rc = run_rounds(p, t, c, message);
        if (rc == 0)
                rc = hb_trial_learn(p, &t->past, &t->pages, &t->guest, message);
        if (rc == 0)
                rc = hb_trial_carry_over(p, message);
        if (rc == 0 && (p->made.wants.restore || p->made.wants.learn)) {
                if (p->kind != HB_POLICY_THRESHOLD)
                        fill(t, 300, 3);
                rc = hb_plugin_run(p, c, message, NULL);
        }
        return rc;
}

static bool looks_back(const hb_plugin *p) {
        const struct hb_plugin_wants *w = &p->made.wants;
        return w->history || w->rehearse;
}

int hb_plugin_try(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        struct trial *t = calloc(1, sizeof *t);
        float *room = malloc((COLUMNS + 2) * (size_t)HB_POLICY_BATCH * sizeof *room);
        int rc = t && room ? 0 : -ENOMEM;

        if (rc == 0 && looks_back(p))
                rc = hb_trial_past_new(&t->past);
        if (rc == 0) {
                struct hb_plugin_call c = {.pages = &t->pages,
                                           .guest = &t->guest,
                                           .link = &t->link,
                                           .accuracy = &t->accuracy,
                                           .histogram = t->histogram,
                                           .out = {room + (size_t)COLUMNS * HB_POLICY_BATCH,
                                                   room + (size_t)(COLUMNS + 1) * HB_POLICY_BATCH}};
                t->columns = room;
                rc = run_all(p, t, &c, message);
        }
        if (t)
                hb_trial_past_free(&t->past);
        free(room);
        free(t);
        return rc;
}
