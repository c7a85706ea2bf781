/* plugin_try_learn: the trial of a policy's optional methods. Lessons come as they can come: in order, out of
 * nothing (a policy that was started afresh hears of lessons it has forgotten), of one page, of none used.
 * Cost: below 10 ms beside the policy's own work. */
#include "map/history.h"
#include "policy/plugin_try.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAST_PAGES   8192u
#define PAST_WINDOWS 400u
#define SAMPLE       600u /* pages of the larger lesson */
#define RUNS         64u

/* A page's habits by its number: always there, there once, returning every few windows, never there. */
static bool habit(uint32_t gfn, uint32_t window) {
        switch (gfn % 8) {
        case 0:
                return true;
        case 1:
                return window == 1 + gfn % PAST_WINDOWS;
        case 2:
                return window % 7 == 0;
        case 3:
                return window % 37 < 3;
        case 4:
                return window == PAST_WINDOWS;
        case 5:
                return window > PAST_WINDOWS - 30 && (window * 2654435761u ^ gfn * 40503u) % 5 == 0;
        default:
                return false;
        }
}

/* Only some windows and pages are told: the shapes matter, not the number. */
static int fill_past(struct hb_history *h) {
        for (uint32_t w = 1; w <= PAST_WINDOWS; w += w < PAST_WINDOWS - 40 ? 3 : 1)
                for (uint32_t g = w % 13; g < PAST_PAGES; g += 67)
                        if (habit(g, w) && hb_history_note(h, g, w, g % 3 == 0) == -ENOMEM)
                                return -ENOMEM;
        return 0;
}

int hb_trial_past_new(struct hb_trial_past *ret) {
        struct hb_trial_past t = {.window = PAST_WINDOWS, .gfn = malloc(HB_POLICY_BATCH * sizeof *t.gfn)};
        int rc = t.gfn ? hb_history_new(HB_POLICY_BATCH * 2, &t.history) : -ENOMEM;

        if (rc == 0)
                rc = fill_past(t.history);
        if (rc < 0) {
                hb_trial_past_free(&t);
                return rc;
        }
        for (uint32_t i = 0; i < HB_POLICY_BATCH; i++)
                t.gfn[i] = i + (i > PAST_PAGES ? i % 2 + i / 2 : 0);
        *ret = t;
        return 0;
}

void hb_trial_past_free(struct hb_trial_past *t) {
        hb_history_free(t->history);
        free(t->gfn);
        memset(t, 0, sizeof *t);
}

/* ---- observe ---- */

static int try_observe(hb_plugin *p, const struct hb_policy_guest *g, char *message) {
        struct hb_policy_run runs[RUNS];
        struct hb_policy_observed o = {.epoch = 1, .now_s = g->now_s, .runs = runs};
        int rc = hb_plugin_observe(p, &o, g, message, NULL); /* an epoch in which nothing happened */

        for (unsigned round = 0; rc == 0 && round < 4; round++) {
                for (uint32_t i = 0; i < RUNS; i++)
                        runs[i] = (struct hb_policy_run){.gfn = round == 3 ? (1ull << 32) + i * 1000ull
                                                                           : i * 97ull,
                                                         .pages = round == 1 ? 1 : 1 + i % 5,
                                                         .written = (i + round) % 2};
                o.epoch += 1 + round * 10; /* epochs may be missed */
                o.nruns = round == 1 ? 1 : RUNS;
                o.cut = round == 2;
                o.accessed = o.cut ? 1u << 30 : o.nruns * 5;
                o.written = round ? o.accessed / 2 : 0;
                o.now_s += round;
                rc = hb_plugin_observe(p, &o, g, message, NULL);
        }
        return rc;
}

/* ---- lessons ---- */

struct trial_outcome {
        float accessed[SAMPLE], written[SAMPLE], reads[SAMPLE], writes[SAMPLE];
        uint8_t class_of[SAMPLE];
        struct hb_policy_outcome outcome;
};

static void set_outcome(struct trial_outcome *t, uint64_t lesson, uint32_t n, bool used) {
        for (uint32_t i = 0; i < n; i++) {
                t->accessed[i] = used && i % 3 != 1 ? 1.0f : 0.0f;
                t->written[i] = used && i % 3 == 0 ? 1.0f : 0.0f;
                t->reads[i] = t->accessed[i] * (float)(i % 10 + 1);
                t->writes[i] = t->written[i] * (float)(i % 5 + 1);
                t->class_of[i] = (uint8_t)(i % 3);
        }
        t->outcome = (struct hb_policy_outcome){.lesson = lesson,
                                                .n = n,
                                                .asked_s = (double)lesson * HB_LESSON_S,
                                                .horizon_s = 10,
                                                .accessed = t->accessed,
                                                .written = t->written,
                                                .reads = t->reads,
                                                .writes = t->writes,
                                                .class_of = t->class_of,
                                                .budget = used ? n / 2 : 0,
                                                .budget_writes = used ? n / 4 : 0};
}

static int rehearse(hb_plugin *p, const struct hb_policy_pages *all, uint32_t n, uint64_t lesson,
                    const struct hb_policy_guest *g, char *message) {
        struct hb_policy_pages pages = *all;

        pages.n = n;
        return hb_plugin_rehearse(p, &pages, g, lesson, message, NULL);
}

static int try_lessons(hb_plugin *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       struct trial_outcome *t, char *message) {
        static const uint32_t sizes[] = {1, SAMPLE, 7, 300};
        int rc;

        set_outcome(t, 1, 5, true);
        rc = hb_plugin_learn(p, &t->outcome, g, message, NULL); /* never rehearsed */
        for (uint64_t k = 0; rc == 0 && k < 4; k++) {           /* two are open at a time */
                rc = rehearse(p, pages, sizes[k], 2 + k, g, message);
                if (rc < 0 || k == 0)
                        continue;
                set_outcome(t, 1 + k, sizes[k - 1], k != 1);
                rc = hb_plugin_learn(p, &t->outcome, g, message, NULL);
        }
        return rc;
}

int hb_trial_learn(hb_plugin *p, const struct hb_trial_past *past, const struct hb_policy_pages *pages,
                   const struct hb_policy_guest *guest, char message[HB_PLUGIN_MESSAGE]) {
        struct trial_outcome *t = malloc(sizeof *t);
        struct hb_policy_pages with_past = *pages;
        int rc;

        if (!t)
                return -ENOMEM;
        with_past.gfn = past->gfn;
        with_past.history = past->history;
        with_past.window = past->window;
        rc = try_observe(p, guest, message);
        if (rc == 0)
                rc = try_lessons(p, &with_past, guest, t, message);
        free(t);
        return rc;
}

/* ---- save and restore ---- */

int hb_trial_carry_over(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        struct hb_buf saved = {0};
        int rc = hb_plugin_save(p, &saved, message);

        if (rc == 0 && saved.len) {
                rc = hb_plugin_start(p, message);
                if (rc == 0)
                        rc = hb_plugin_restore(p, saved.data, saved.len, message);
        }
        hb_buf_free(&saved);
        return rc;
}
