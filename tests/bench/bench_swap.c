/* bench_swap: what exchanging policies and learning cost beside deciding.  bench_swap [--json] [predictor]
 *
 * Load: source to shadow, without the trial. Epoch: the one in which a promotion happens. Lesson: 4096 pages
 * of a guest of 64 Ki are shown to the default policies with that predictor (default ewma), alone and with a
 * shadow beside them; and their outcome told. Explain: one page of a batch of 4096. */
#include "base/clock.h"
#include "map/history.h"
#include "policy/change.h"
#include "policy/lesson.h"
#include "policy/plugin.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES   65536u
#define WINDOWS 120u
#define ROUNDS  50
#define COLUMNS 6

struct world {
        hb_policies *p;
        hb_history *history;
        float columns[COLUMNS][HB_LESSON_PAGES], accessed[HB_LESSON_PAGES], written[HB_LESSON_PAGES];
        uint8_t classes[HB_LESSON_PAGES];
        uint32_t gfn[HB_LESSON_PAGES];
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
        struct hb_policy_outcome outcome;
        struct hb_buf packed;
};

struct figures {
        double load_us, epoch_us, alone_us, beside_us, learn_us, explain_us;
};

static bool make_past(struct world *w) {
        uint32_t x = 1;

        if (hb_history_new(PAGES, &w->history) < 0)
                return false;
        for (uint32_t t = 1; t <= WINDOWS; t++)
                for (uint32_t i = 0; i < PAGES / 8; i++) {
                        x = x * 1664525u + 1013904223u;
                        hb_history_note(w->history, (x >> 8) % (PAGES / (1 + t % 4)), t, x & 32);
                }
        for (uint32_t i = 0; i < HB_LESSON_PAGES; i++) {
                w->gfn[i] = i * (PAGES / HB_LESSON_PAGES);
                w->accessed[i] = i % 3 == 0;
                w->written[i] = i % 12 == 0;
                w->classes[i] = i % 3;
                for (unsigned k = 0; k < COLUMNS; k++)
                        w->columns[k][i] = 1 + (float)((i * 2654435761u >> (8 + k)) % 1000) / 100;
        }
        return true;
}

static void describe(struct world *w) {
        w->pages = (struct hb_policy_pages){.n = HB_LESSON_PAGES,
                                            .read_heat = w->columns[0],
                                            .write_heat = w->columns[1],
                                            .age_s = w->columns[2],
                                            .version_age_s = w->columns[3],
                                            .run_length = w->columns[4],
                                            .bytes_to_send = w->columns[5],
                                            .gfn = w->gfn,
                                            .history = w->history,
                                            .window = WINDOWS};
        w->guest = (struct hb_policy_guest){.now_s = WINDOWS, .horizon_s = 10, .epoch_s = 1};
        w->link = (struct hb_policy_link){1e-4, 1.25e8, 1e8, 0.2, 0};
        w->accuracy = (struct hb_policy_accuracy){.precision = -1, .recall = -1, .wasted_share = -1};
        w->outcome = (struct hb_policy_outcome){.n = HB_LESSON_PAGES,
                                                .horizon_s = 10,
                                                .accessed = w->accessed,
                                                .written = w->written,
                                                .reads = w->accessed,
                                                .writes = w->written,
                                                .class_of = w->classes,
                                                .budget = HB_LESSON_PAGES / 3,
                                                .budget_writes = HB_LESSON_PAGES / 12};
}

static int fail(const struct hb_err *e) {
        char line[1024];

        fprintf(stderr, "bench_swap: %s\n", hb_err_line(e, line, sizeof line));
        return -1;
}

static int open_policies(struct world *w, const char *predictor) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies",
                                      .names = {predictor, "cost_benefit", "adaptive"},
                                      .epoch_share = 1};
        struct hb_policy_source source;
        struct hb_err e;

        if (hb_policies_new(&o, &w->p, &e) < 0 ||
            hb_policy_source_read(o.dir, HB_POLICY_SCORER, "cost_benefit", &source, &e) < 0)
                return fail(&e);
        hb_policy_source_pack(HB_POLICY_SCORER, "cost_benefit", &source, &w->packed);
        hb_policy_source_free(&source);
        return 0;
}

static int shadow(struct world *w) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW,
                                     .kind = HB_POLICY_SCORER,
                                     .source = w->packed.data,
                                     .size = w->packed.len,
                                     .tried = true};
        struct hb_err e;

        return hb_policies_change(w->p, &c, &e) < 0 ? fail(&e) : 0;
}

static double us_since(uint64_t t0) {
        return (double)(hb_now_ns() - t0) / 1e3;
}

static void least(double *best, double now) {
        if (*best == 0 || now < *best)
                *best = now;
}

static int swaps(struct world *w, struct figures *f) {
        struct hb_policy_change promote = {.op = HB_POLICY_PROMOTE, .kind = HB_POLICY_SCORER};

        for (int i = 0; i < ROUNDS; i++) {
                uint64_t t0 = hb_now_ns();

                if (shadow(w) < 0)
                        return -1;
                least(&f->load_us, us_since(t0));
                hb_policies_change(w->p, &promote, NULL);
                t0 = hb_now_ns();
                hb_policies_epoch(w->p, &w->guest);
                if (i > 1) /* from then on one goes in each */
                        least(&f->epoch_us, us_since(t0));
        }
        return 0;
}

static void lessons(struct world *w, double *rehearse_us, double *learn_us) {
        for (int i = 0; i < ROUNDS; i++) {
                uint64_t t0;

                hb_policies_epoch(w->p, &w->guest);
                t0 = hb_now_ns();
                hb_policies_rehearse(w->p, &w->pages, &w->guest, &w->link, &w->accuracy, 0.1);
                least(rehearse_us, us_since(t0));
                w->outcome.lesson++;
                t0 = hb_now_ns();
                hb_policies_learn(w->p, &w->outcome, &w->guest);
                least(learn_us, us_since(t0));
        }
}

static int explain(struct world *w, struct figures *f) {
        for (int i = 0; i < ROUNDS; i++) {
                struct hb_policy_explained x;
                struct hb_err e;
                uint64_t t0 = hb_now_ns();

                if (hb_policies_explain(w->p, false, &w->pages, 7, &w->guest, &w->link, &w->accuracy, NULL,
                                        NULL, &x, &e) < 0)
                        return fail(&e);
                least(&f->explain_us, us_since(t0));
        }
        return 0;
}

static int measure(struct world *w, struct figures *f) {
        double ignored = 0;
        int rc = swaps(w, f);

        lessons(w, &f->alone_us, &f->learn_us);
        if (rc == 0)
                rc = shadow(w);
        lessons(w, &f->beside_us, &ignored);
        return rc < 0 ? rc : explain(w, f);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && !strcmp(argv[1], "--json");
        const char *predictor = argc > 1 + json ? argv[1 + json] : "ewma";
        struct world *w = calloc(1, sizeof *w);
        struct figures f = {0};
        int rc = -1;

        if (w && make_past(w)) {
                describe(w);
                rc = open_policies(w, predictor);
                if (rc == 0)
                        rc = measure(w, &f);
        }
        if (rc == 0)
                printf(json ? "{\"load_us\": %.1f, \"epoch_us\": %.2f, \"lesson_us\": %.1f, "
                              "\"lesson_with_shadow_us\": %.1f, \"learn_us\": %.1f, \"explain_us\": %.1f}\n"
                            : "load a shadow          %8.1f us\npromote, its epoch     %8.2f us\n"
                              "a lesson, 4096 pages   %8.1f us\n  with a shadow scorer %8.1f us\n"
                              "its outcome            %8.1f us\nexplain a page         %8.1f us\n",
                       f.load_us, f.epoch_us, f.alone_us, f.beside_us, f.learn_us, f.explain_us);
        if (w) {
                hb_policies_free(w->p);
                hb_history_free(w->history);
                hb_buf_free(&w->packed);
        }
        free(w);
        return rc < 0;
}
