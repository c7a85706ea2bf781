/* lane: one policy of each kind, asked about a lesson's sample as if it decided.
 *
 * Invariant: what decides does not notice. The active ones are asked aside (what they remember is put back);
 * only a shadow is asked for good, since nothing but this lane hears of it. A lane whose policy failed is not
 * judged by that lesson: judging the built-in in its place would flatter it. Means belong to the three seats
 * they were made with: when seats change places the means go along, and a lane of another three begins anew.
 */
#include "base/fault.h"
#include "policy/host.h"
#include "policy/vec_kernels.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- who ---- */

static struct hb_seat *shadow_of(const hb_policies *p, enum hb_policy_kind k) {
        struct hb_seat *s = p->slots[k].now[HB_POLICY_SHADOWING];

        return hb_seat_sound(s) ? s : NULL;
}

struct hb_seat *hb_lane_seat(const hb_policies *p, enum hb_policy_lane lane, enum hb_policy_kind k) {
        struct hb_seat *shadow = lane == HB_LANE_SHADOW ? shadow_of(p, k) : NULL;

        return shadow ? shadow : hb_slot_answering(&p->slots[k]);
}

bool hb_lane_exists(const hb_policies *p, enum hb_policy_lane lane) {
        bool any = lane == HB_LANE_ACTIVE;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                any = any || shadow_of(p, (enum hb_policy_kind)k);
        return any;
}

static void seats_of(const hb_policies *p, enum hb_policy_lane lane, uint64_t ret[HB_POLICY_KINDS]) {
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                const struct hb_seat *s = hb_lane_seat(p, lane, (enum hb_policy_kind)k);
                ret[k] = s ? s->id : 0;
        }
}

void hb_lanes_moved(hb_policies *p) {
        struct hb_lane before[HB_LANES];

        memcpy(before, p->lane, sizeof before);
        memset(p->lane, 0, sizeof p->lane);
        for (unsigned i = 0; i < HB_LANES; i++) {
                struct hb_lane *l = &p->lane[i];

                if (!hb_lane_exists(p, (enum hb_policy_lane)i))
                        continue; /* no three seats are (0, 0, 0) while it has means */
                seats_of(p, (enum hb_policy_lane)i, l->seats);
                l->exists = true;
                for (unsigned j = 0; j < HB_LANES; j++)
                        if (before[j].exists && !memcmp(before[j].seats, l->seats, sizeof l->seats))
                                *l = before[j];
        }
}

/* ---- asking ---- */

int hb_lane_ask(hb_policies *p, enum hb_policy_lane lane, enum hb_policy_kind k, struct hb_plugin_call *c,
                char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns) {
        struct hb_seat *s = hb_lane_seat(p, lane, k);
        struct hb_builtin_memory memory;
        int rc = 0;

        *ret_cpu_ns = 0;
        if (!s || !s->plugin) {
                memory = s ? s->memory : p->slots[k].memory;
                hb_builtin_answer(k, c, &memory);
                if (s && s == shadow_of(p, k))
                        s->memory = memory;
        } else if (s == shadow_of(p, k)) {
                s->status.calls++;
                s->status.pages += c->pages ? c->pages->n : 0;
                rc = hb_plugin_run(s->plugin, c, message, ret_cpu_ns);
                hb_seat_book(p, s, false, rc, *ret_cpu_ns, message);
        } else {
                rc = hb_aside_run(s->plugin, c, message, ret_cpu_ns);
                hb_share_take(&p->share, *ret_cpu_ns, false);
        }
        return rc;
}

struct looking {
        hb_policies *p;
        enum hb_policy_lane lane;
        struct hb_policy_pages pages;
        struct hb_plugin_call call;
        struct hb_lane_view *view;
        int rc;
};

static void ask(struct looking *l, enum hb_policy_kind k, float *first, float *second) {
        char message[HB_PLUGIN_MESSAGE];
        uint64_t cpu_ns;

        if (l->rc < 0)
                return;
        l->call.out[0] = first;
        l->call.out[1] = second;
        l->rc = hb_lane_ask(l->p, l->lane, k, &l->call, message, &cpu_ns);
        l->view->cpu_ns += cpu_ns;
}

static unsigned bucket_of(float score) {
        float x = (score + 1.0f) * (HB_POLICY_BUCKETS / 2);

        if (!(x > 0.0f))
                return 0;
        return x < HB_POLICY_BUCKETS - 1.0f ? (unsigned)x : HB_POLICY_BUCKETS - 1u;
}

/* The sample's scores, counted and blown up to as many as there are candidates. */
static void count_scores(const struct looking *l, uint32_t ret[HB_POLICY_BUCKETS]) {
        double candidates = l->call.guest->stale_pages + l->call.guest->absent_pages;
        double scale = candidates > 0 ? candidates / l->pages.n : 1;

        memset(ret, 0, HB_POLICY_BUCKETS * sizeof *ret);
        for (uint32_t i = 0; i < l->pages.n; i++)
                ret[bucket_of(l->view->score[i])]++;
        for (unsigned b = 0; b < HB_POLICY_BUCKETS; b++)
                ret[b] = (uint32_t)fmin(ret[b] * scale + 0.5, UINT32_MAX);
}

/* A shadow threshold goes on from its own last cut. The active one goes on from the cut there is: it is only
 * asked what it would make of other scores. */
static void ask_cut(struct looking *l, double cut) {
        struct hb_lane *lane = &l->p->lane[l->lane];
        uint32_t histogram[HB_POLICY_BUCKETS];

        l->view->cut = cut;
        if (l->lane == HB_LANE_SHADOW) {
                bool own = shadow_of(l->p, HB_POLICY_THRESHOLD) && lane->cut_known;

                count_scores(l, histogram);
                l->call.histogram = histogram;
                l->call.previous = own ? lane->cut : cut;
                ask(l, HB_POLICY_THRESHOLD, NULL, NULL);
                if (l->rc == 0)
                        l->view->cut = hb_bound_cut(l->call.number);
        }
}

static void look(struct looking *l, double cut) {
        struct hb_lane_view *v = l->view;
        uint32_t n = l->pages.n;

        ask(l, HB_POLICY_PREDICTOR, v->accesses, v->writes);
        if (l->rc < 0)
                return;
        hb_vec_clamp_into(v->accesses, v->accesses, 0, FLT_MAX, n);
        hb_vec_clamp_into(v->writes, v->writes, 0, FLT_MAX, n);
        l->pages.predicted = v->accesses;
        l->pages.predicted_writes = v->writes;
        ask(l, HB_POLICY_SCORER, v->score, NULL);
        if (l->rc < 0)
                return;
        hb_vec_clamp_into(v->score, v->score, -1, 1, n);
        ask_cut(l, isfinite(cut) ? cut : 0);
}

bool hb_lane_look(hb_policies *p, enum hb_policy_lane lane, const struct hb_plugin_call *world, double cut,
                  struct hb_lane_view *ret) {
        uint32_t n = world->pages->n;
        struct hb_lane_view v = {.asked = true};
        struct looking l = {.p = p, .lane = lane, .pages = *world->pages, .call = *world, .view = &v};
        float *room = n == 0 || n > HB_POLICY_BATCH || hb_fault("policy.lane")
                              ? NULL
                              : malloc(3 * (size_t)n * sizeof *room);

        if (!room)
                return false;
        v.accesses = room;
        v.writes = room + n;
        v.score = room + 2 * (size_t)n;
        memcpy(v.seats, p->lane[lane].seats, sizeof v.seats);
        l.call.pages = &l.pages;
        look(&l, cut);
        p->lane[lane].cost_ns = v.cpu_ns;
        if (l.rc < 0) {
                free(room);
                return false;
        }
        p->lane[lane].cut = v.cut;
        p->lane[lane].cut_known = true;
        *ret = v;
        return true;
}
