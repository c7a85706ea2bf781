/* world_lesson: what core/place does with observations and lessons, for a made-up guest: each epoch is told
 * of, every HB_LESSON_S epochs a sample of the touched pages is shown, and comes back a horizon later with
 * what happened. */
#include "author/world_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t list_runs(const hb_made_world *w, struct hb_policy_run *runs, bool *ret_cut) {
        uint32_t n = 0;

        *ret_cut = false;
        for (uint32_t gfn = 0; gfn < w->npages; gfn++) {
                bool written = w->now[gfn].writes != 0;
                if (!written && !w->now[gfn].reads)
                        continue;
                if (n && runs[n - 1].gfn + runs[n - 1].pages == gfn && runs[n - 1].written == written)
                        runs[n - 1].pages++;
                else if (n < HB_OBSERVED_RUNS)
                        runs[n++] = (struct hb_policy_run){gfn, 1, written};
                else
                        *ret_cut = true;
        }
        return n;
}

static int observe(const hb_made_world *w, hb_plugin *p, const struct hb_policy_guest *g, char *message) {
        struct hb_policy_run *runs = malloc(HB_OBSERVED_RUNS * sizeof(*runs));
        struct hb_policy_observed o = {.epoch = w->epoch,
                                       .now_s = w->epoch,
                                       .runs = runs,
                                       .accessed = w->accessed,
                                       .written = w->written};
        int rc;

        if (!runs)
                return -ENOMEM;
        o.nruns = list_runs(w, runs, &o.cut);
        rc = hb_plugin_observe(p, &o, g, message, NULL);
        free(runs);
        return rc;
}

/* ---- the end of a lesson ---- */

struct outcome {
        float *accessed, *written, *reads, *writes;
};

static void count_outcome(const hb_made_world *w, const struct hb_made_world_lesson *l,
                          struct hb_made_world_access *now, struct outcome *o) {
        for (uint32_t epoch = l->asked + 1; epoch <= w->epoch; epoch++) {
                hb_made_world_accesses(w, epoch, now);
                for (uint32_t i = 0; i < l->n; i++) {
                        const struct hb_made_world_access *a = &now[l->gfn[i]];
                        o->reads[i] += a->reads || a->writes ? 1 : 0;
                        o->writes[i] += a->writes ? 1 : 0;
                }
        }
        for (uint32_t i = 0; i < l->n; i++) {
                o->accessed[i] = o->reads[i] > 0 ? 1 : 0;
                o->written[i] = o->writes[i] > 0 ? 1 : 0;
        }
}

static int learn(hb_made_world *w, hb_plugin *p, const struct hb_policy_guest *g, char *message) {
        struct hb_made_world_lesson *l = &w->lessons[0];
        float *room = calloc(4 * (size_t)l->n + 1, sizeof(*room));
        struct hb_made_world_access *now = calloc(w->npages, sizeof(*now));
        struct outcome o = {NULL, NULL, NULL, NULL};
        struct hb_policy_outcome out = {.lesson = l->number,
                                        .n = l->n,
                                        .asked_s = l->asked,
                                        .horizon_s = w->horizon_s,
                                        .class_of = l->class_of,
                                        .budget = l->budget,
                                        .budget_writes = l->budget_writes};
        int rc = -ENOMEM;

        if (room && now) {
                o = (struct outcome){room, room + l->n, room + 2 * (size_t)l->n, room + 3 * (size_t)l->n};
                count_outcome(w, l, now, &o);
                out.accessed = o.accessed;
                out.written = o.written;
                out.reads = o.reads;
                out.writes = o.writes;
                rc = hb_plugin_learn(p, &out, g, message, NULL);
        }
        free(room);
        free(now);
        return rc;
}

static void close_oldest(hb_made_world *w) {
        free(w->lessons[0].gfn);
        memmove(&w->lessons[0], &w->lessons[1], (HB_LESSONS - 1) * sizeof(w->lessons[0]));
        memset(&w->lessons[HB_LESSONS - 1], 0, sizeof(w->lessons[0]));
}

/* ---- its beginning ---- */

struct sample {
        float *columns[6];
        struct hb_policy_pages pages;
};

/* Every k-th of the touched pages, so that there are no more than a lesson holds. */
static int make_sample(hb_made_world *w, struct hb_made_world_lesson *l, struct sample *s) {
        struct hb_policy_pages all;
        uint32_t stride, n;

        hb_made_world_pages(w, &all);
        stride = (all.n + HB_LESSON_PAGES - 1) / HB_LESSON_PAGES;
        n = stride ? (all.n + stride - 1) / stride : 0;
        l->gfn = calloc(n + 1, sizeof(*l->gfn) + 1);
        s->columns[0] = calloc(6 * (size_t)n + 1, sizeof(float));
        if (!l->gfn || !s->columns[0])
                return -ENOMEM;
        l->class_of = (uint8_t *)(l->gfn + n + 1);
        l->n = n;
        for (unsigned k = 0; k < 6; k++)
                s->columns[k] = s->columns[0] + (size_t)k * n;
        for (uint32_t i = 0; i < n; i++) {
                const float *from[6] = {all.read_heat,     all.write_heat, all.age_s,
                                        all.version_age_s, all.run_length, all.bytes_to_send};
                l->gfn[i] = all.gfn[(size_t)i * stride];
                for (unsigned k = 0; k < 6; k++)
                        s->columns[k][i] = from[k][(size_t)i * stride];
        }
        s->pages = all;
        s->pages.n = n;
        s->pages.read_heat = s->columns[0];
        s->pages.write_heat = s->columns[1];
        s->pages.age_s = s->columns[2];
        s->pages.version_age_s = s->columns[3];
        s->pages.run_length = s->columns[4];
        s->pages.bytes_to_send = s->columns[5];
        s->pages.gfn = l->gfn;
        return 0;
}

static int classify(const hb_made_world *w, struct hb_made_world_lesson *l) {
        uint32_t back = (uint32_t)w->horizon_s, first = w->epoch > back ? w->epoch - back + 1 : 1;
        uint8_t *past = malloc(w->npages);
        int rc = past ? hb_made_world_between(w, first, w->epoch, past) : -ENOMEM;

        for (uint32_t i = 0; rc == 0 && i < l->n; i++) {
                uint8_t bits = past[l->gfn[i]];
                l->class_of[i] = bits ? HB_LESSON_RECENT : HB_LESSON_RETURNING;
                l->budget += bits & 1;
                l->budget_writes += bits >> 1;
        }
        free(past);
        return rc;
}

static int rehearse(hb_made_world *w, hb_plugin *p, const struct hb_policy_guest *g, char *message) {
        struct hb_made_world_lesson *l;
        struct sample s = {{NULL}};
        unsigned open = 0;
        int rc;

        while (open < HB_LESSONS && w->lessons[open].gfn)
                open++;
        if (open == HB_LESSONS)
                return 0;
        l = &w->lessons[open];
        l->number = ++w->next_lesson;
        l->asked = w->epoch;
        rc = make_sample(w, l, &s);
        if (rc == 0)
                rc = classify(w, l);
        if (rc == 0 && l->n)
                rc = hb_plugin_rehearse(p, &s.pages, g, l->number, message, NULL);
        free(s.columns[0]);
        if (rc < 0 || !l->n) {
                free(l->gfn);
                memset(l, 0, sizeof(*l));
        }
        return rc;
}

int hb_made_world_teach(hb_made_world *w, hb_plugin *p, char message[HB_PLUGIN_MESSAGE]) {
        struct hb_policy_guest g;
        int rc;

        hb_made_world_guest(w, &g);
        rc = observe(w, p, &g, message);
        if (rc == 0 && w->lessons[0].gfn && w->epoch >= w->lessons[0].asked + (uint32_t)w->horizon_s) {
                rc = learn(w, p, &g, message);
                close_oldest(w);
        }
        if (rc == 0 && w->epoch % HB_LESSON_S == 0)
                rc = rehearse(w, p, &g, message);
        return rc;
}
