/* lessons: what happened is told to those that learn, and lanes are judged by it.
 *
 * Order and cost: what decides comes first. Whatever is done here is done only with CPU time of the epoch's
 * share that those who decide will not need (hb_share_spare); what there is no time for is left out, the
 * active one's learning last. A policy is told the outcome of samples it was shown, and of no others. */
#include "base/fault.h"
#include "nn/model.h"
#include "policy/host.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- those that learn ---- */

/* Place `i` of 0 .. HB_LESSON_PLUGINS - 1: who decides in each kind, then the shadows. NULL: nobody, or no
 * plugin. */
static struct hb_seat *pupil(const hb_policies *p, unsigned i) {
        const struct hb_slot *slot = &p->slots[i % HB_POLICY_KINDS];
        struct hb_seat *s = i < HB_POLICY_KINDS ? hb_slot_answering(slot) : slot->now[HB_POLICY_SHADOWING];

        return hb_seat_sound(s) && s->plugin ? s : NULL;
}

static void book(hb_policies *p, struct hb_seat *s, int rc, uint64_t cpu_ns, const char *message) {
        s->status.calls++;
        hb_seat_book(p, s, false, rc, cpu_ns, message);
}

static bool has_time(const hb_policies *p, struct hb_seat *s) {
        bool spare = hb_share_spare(&p->share, 0);

        s->status.starved += !spare;
        return spare;
}

void hb_policies_observe(hb_policies *p, const struct hb_policy_observed *o,
                         const struct hb_policy_guest *g) {
        char message[HB_PLUGIN_MESSAGE];

        for (unsigned i = 0; i < HB_LESSON_PLUGINS; i++) {
                struct hb_seat *s = pupil(p, i);
                uint64_t cpu_ns = 0;
                int rc;

                if (!s || !s->wants.observe || !has_time(p, s))
                        continue;
                rc = hb_plugin_observe(s->plugin, o, g, message, &cpu_ns);
                book(p, s, rc, cpu_ns, message);
        }
}

static void show(hb_policies *p, unsigned i, const struct hb_policy_pages *pages,
                 const struct hb_policy_guest *g, struct hb_open_lesson *l) {
        char message[HB_PLUGIN_MESSAGE];
        struct hb_seat *s = pupil(p, i);
        uint64_t cpu_ns = 0;
        int rc;

        if (!s || !(s->wants.rehearse || s->wants.learn) || !has_time(p, s))
                return;
        l->shown[i] = s->id;
        if (!s->wants.rehearse)
                return;
        rc = hb_plugin_rehearse(s->plugin, pages, g, l->number, message, &cpu_ns);
        book(p, s, rc, cpu_ns, message);
        if (rc < 0)
                l->shown[i] = 0;
}

static bool was_shown(const struct hb_open_lesson *l, uint64_t seat) {
        for (unsigned i = 0; i < HB_LESSON_PLUGINS; i++)
                if (l->shown[i] == seat)
                        return true;
        return false;
}

static void teach(hb_policies *p, const struct hb_open_lesson *l, const struct hb_policy_outcome *o,
                  const struct hb_policy_guest *g) {
        char message[HB_PLUGIN_MESSAGE];

        for (unsigned i = 0; i < HB_LESSON_PLUGINS; i++) {
                struct hb_seat *s = pupil(p, i);
                uint64_t cpu_ns = 0;
                int rc;

                if (!s || !s->wants.learn || !was_shown(l, s->id) || !has_time(p, s))
                        continue;
                rc = hb_plugin_learn(s->plugin, o, g, message, &cpu_ns);
                book(p, s, rc, cpu_ns, message);
        }
}

/* ---- lessons ---- */

static void lesson_free(struct hb_open_lesson *l) {
        for (unsigned i = 0; i < HB_LANES; i++)
                free(l->lane[i].accesses);
        hb_model_lesson_free(l->features);
        free(l);
}

static struct hb_open_lesson *take_oldest(hb_policies *p) {
        struct hb_open_lesson *l = p->open;

        if (l) {
                p->open = l->next;
                if (!p->open)
                        p->last = &p->open;
                p->nopen--;
        }
        return l;
}

void hb_policies_forget_lessons(hb_policies *p) {
        struct hb_open_lesson *l;

        while ((l = take_oldest(p)))
                lesson_free(l);
        p->ended = p->lessons;
}

static struct hb_open_lesson *open_lesson(hb_policies *p, uint32_t n) {
        struct hb_open_lesson *l = hb_fault("policy.lesson") ? NULL : calloc(1, sizeof *l);

        if (!l)
                return NULL;
        l->number = p->lessons;
        l->n = n;
        *p->last = l;
        p->last = &l->next;
        p->nopen++;
        return l;
}

void hb_policies_rehearse(hb_policies *p, const struct hb_policy_pages *pages,
                          const struct hb_policy_guest *g, const struct hb_policy_link *l,
                          const struct hb_policy_accuracy *a, double cut) {
        struct hb_plugin_call world = {.pages = pages, .guest = g, .link = l, .accuracy = a};
        struct hb_open_lesson *lesson;

        p->lessons++;
        if (p->nopen == HB_LESSONS || !(lesson = open_lesson(p, pages->n)))
                return; /* its outcome will find no lesson of its number */
        for (unsigned lane = 0; lane < HB_LANES; lane++) {
                for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                        show(p, lane * HB_POLICY_KINDS + k, pages, g, lesson);
                if (hb_lane_exists(p, (enum hb_policy_lane)lane) &&
                    hb_share_spare(&p->share, p->lane[lane].cost_ns))
                        hb_lane_look(p, (enum hb_policy_lane)lane, &world, cut, &lesson->lane[lane]);
        }
        hb_model_bind_rehearse(p, pages, g, lesson);
}

/* By the seats that were asked, wherever they sit now. */
static void judge(hb_policies *p, const struct hb_lane_view *v, const struct hb_policy_outcome *o) {
        struct hb_lane_result result;

        if (!v->asked)
                return;
        hb_lane_judge(v, o, p->room, &result);
        for (unsigned i = 0; i < HB_LANES; i++)
                if (p->lane[i].exists && !memcmp(p->lane[i].seats, v->seats, sizeof v->seats)) {
                        hb_lane_book(&p->lane[i], &result);
                        return;
                }
}

void hb_policies_learn(hb_policies *p, const struct hb_policy_outcome *o, const struct hb_policy_guest *g) {
        struct hb_policy_outcome outcome = *o;
        struct hb_open_lesson *l;

        if (p->ended == p->lessons)
                return; /* begun before our time */
        p->ended++;
        if (!p->open || p->open->number != p->ended)
                return;
        l = take_oldest(p);
        if (l->n == o->n && o->n > 0) {
                outcome.lesson = l->number;
                for (unsigned lane = 0; lane < HB_LANES; lane++)
                        judge(p, &l->lane[lane], &outcome);
                teach(p, l, &outcome, g);
                hb_model_bind_learn(p, l, &outcome);
        }
        lesson_free(l);
}
