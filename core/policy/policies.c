/* policies: one set of policies, and the judge over their answers.
 *
 * Invariant: an answer is always given. Of each kind there are up to three seats: the active one decides, the
 * shadow is only judged beside it, the previous one waits for a rollback and stands in. A call is answered by
 * the active one; when it fails (or is in quarantine for having failed too often) by the previous one, if
 * that is sound; else by the built-in in C. Failures are counted, never read as "no prefetch". Results are
 * checked and bounded here, so callers may trust them. Who failed sits out the rest of the epoch, so that its
 * pages are not weighed by two scales turn by turn (and a slow one overruns once an epoch). When the share of
 * the CPU is used up, built-ins answer until the next epoch. Seats change places only in hb_policies_epoch
 * (swap.c). Cost: 0.3 ns a page beyond the policy. One thread at a time. */
#include "base/fault.h"
#include "policy/host.h"
#include "policy/vec_kernels.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIN_MEMORY       (1ull << 20)
#define MAX_MEMORY       (1ull << 30)
#define MAX_DEADLINE     10000000000ull
#define DEFAULT_MEMORY   (64ull << 20)
#define DEFAULT_DEADLINE 50000000ull
#define DEFAULT_SHARE    0.25

/* ---- life ---- */

static int set_limits(hb_policies *p, const struct hb_policy_options *o, struct hb_err *e) {
        p->limits =
                (struct hb_plugin_limits){.memory_bytes = o->memory_bytes ? o->memory_bytes : DEFAULT_MEMORY,
                                          .deadline_ns = o->deadline_ns ? o->deadline_ns : DEFAULT_DEADLINE,
                                          .seed = o->seed};
        p->share.part = o->epoch_share == 0 ? DEFAULT_SHARE : o->epoch_share;
        if (p->limits.memory_bytes < MIN_MEMORY || p->limits.memory_bytes > MAX_MEMORY ||
            p->limits.deadline_ns > MAX_DEADLINE ||
            !(p->share.part > 0 && (p->share.part <= 1 || isinf(p->share.part))))
                return hb_err_set(e, -EINVAL, "policies",
                                  "memory 1 MiB to 1 GiB, deadline at most 10 s, share of an epoch up to 1",
                                  "policy limits out of range");
        return 0;
}

static int seat_first(hb_policies *p, const struct hb_policy_options *o, enum hb_policy_kind k,
                      struct hb_err *e) {
        struct hb_policy_source source;
        struct hb_slot *s = &p->slots[k];
        const char *name = o->names[k];
        int rc = name ? hb_policy_source_read(o->dir, k, name, &source, e) : 0;

        if (rc == 0)
                rc = hb_seat_new(p, k, name, name ? &source : NULL, false, &s->now[HB_POLICY_ACTIVE], e);
        if (rc == 0)
                s->next[HB_POLICY_ACTIVE] = s->now[HB_POLICY_ACTIVE];
        return rc;
}

int hb_policies_new(const struct hb_policy_options *o, hb_policies **ret, struct hb_err *e) {
        hb_policies *p = hb_fault("policy.new") ? NULL : calloc(1, sizeof *p);
        int rc = -ENOMEM;

        if (!p || !(p->room = malloc(2 * (size_t)HB_POLICY_BATCH * sizeof *p->room)) ||
            hb_guard_new(&p->guard) < 0) {
                hb_err_set(e, rc, "policies", NULL, "not enough memory for the policy host");
                goto fail;
        }
        p->last = &p->open;
        rc = set_limits(p, o, e);
        if (rc == 0)
                rc = hb_model_bind_open(p, o, e);
        for (unsigned k = 0; rc == 0 && k < HB_POLICY_KINDS; k++)
                rc = seat_first(p, o, (enum hb_policy_kind)k, e);
        if (rc < 0)
                goto fail;
        hb_policies_look_again(p);
        *ret = p;
        return 0;
fail:
        hb_policies_free(p);
        return rc;
}

hb_policies *hb_policies_free(hb_policies *p) {
        if (p) {
                if (p->last)
                        hb_policies_forget_lessons(p);
                for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                        hb_slot_clear(&p->slots[k]);
                hb_model_bind_close(p);
                hb_guard_free(p->guard);
                free(p->room);
                free(p);
        }
        return NULL;
}

/* ---- deciding ---- */

/* True: it answered, its results are in c. */
static bool ask(hb_policies *p, struct hb_seat *s, struct hb_plugin_call *c) {
        char message[HB_PLUGIN_MESSAGE];
        uint64_t cpu_ns = 0;
        int rc;

        if (!s->plugin) {
                hb_builtin_answer(s->kind, c, &s->memory);
                return true;
        }
        if (s->status.quarantined || s->sits_out)
                return false;
        rc = hb_plugin_run(s->plugin, c, message, &cpu_ns);
        hb_seat_book(p, s, true, rc, cpu_ns, message);
        s->sits_out = rc < 0 && p->share.limited;
        return rc == 0;
}

static void count_call(struct hb_seat *s, const struct hb_plugin_call *c) {
        s->status.calls++;
        s->status.pages += c->pages ? c->pages->n : 0;
}

static bool ask_last_good(hb_policies *p, struct hb_slot *s, struct hb_plugin_call *c) {
        struct hb_seat *good = hb_slot_last_good(s);

        if (!good || !hb_share_left(&p->share))
                return false;
        count_call(good, c);
        return ask(p, good, c);
}

static void answer(hb_policies *p, enum hb_policy_kind k, struct hb_plugin_call *c) {
        struct hb_slot *s = &p->slots[k];
        struct hb_seat *active = s->now[HB_POLICY_ACTIVE];
        bool left = !active->plugin || hb_share_left(&p->share);

        count_call(active, c);
        active->status.starved += !left;
        if (!left || (!ask(p, active, c) && !ask_last_good(p, s, c)))
                hb_builtin_answer(k, c, &s->memory);
}

struct hb_policy_pages hb_policies_part(const struct hb_policy_pages *all, uint32_t at) {
        struct hb_policy_pages p = *all;
        const float **columns[] = {&p.read_heat,     &p.write_heat,       &p.age_s,
                                   &p.version_age_s, &p.run_length,       &p.bytes_to_send,
                                   &p.predicted,     &p.predicted_writes, &p.known};

        for (unsigned k = 0; k < sizeof columns / sizeof *columns; k++)
                if (*columns[k])
                        *columns[k] += at;
        if (p.gfn)
                p.gfn += at;
        p.n = all->n - at < HB_POLICY_BATCH ? all->n - at : HB_POLICY_BATCH;
        return p;
}

void hb_policies_predict(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                         float *ret_accesses, float *ret_writes) {
        for (uint32_t at = 0; at < pages->n; at += HB_POLICY_BATCH) {
                struct hb_policy_pages batch = hb_policies_part(pages, at);
                struct hb_plugin_call c = {
                        .pages = &batch, .guest = g, .out = {p->room, p->room + HB_POLICY_BATCH}};

                answer(p, HB_POLICY_PREDICTOR, &c);
                hb_vec_clamp_into(ret_accesses + at, c.out[0], 0, FLT_MAX, batch.n);
                hb_vec_clamp_into(ret_writes + at, c.out[1], 0, FLT_MAX, batch.n);
        }
}

void hb_policies_score(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       const struct hb_policy_link *l, const struct hb_policy_accuracy *a,
                       float *ret_scores) {
        for (uint32_t at = 0; at < pages->n; at += HB_POLICY_BATCH) {
                struct hb_policy_pages batch = hb_policies_part(pages, at);
                struct hb_plugin_call c = {
                        .pages = &batch, .guest = g, .link = l, .accuracy = a, .out = {p->room, NULL}};

                answer(p, HB_POLICY_SCORER, &c);
                hb_vec_clamp_into(ret_scores + at, c.out[0], -1, 1, batch.n);
        }
}

double hb_policies_threshold(hb_policies *p, const uint32_t histogram[HB_POLICY_BUCKETS],
                             const struct hb_policy_guest *g, const struct hb_policy_link *l,
                             const struct hb_policy_accuracy *a, double previous) {
        struct hb_plugin_call c = {.histogram = histogram,
                                   .guest = g,
                                   .link = l,
                                   .accuracy = a,
                                   .previous = isfinite(previous) ? previous : 0};

        answer(p, HB_POLICY_THRESHOLD, &c);
        return hb_bound_cut(c.number);
}

/* ---- between epochs ---- */

static bool wants_lessons(const struct hb_seat *s) {
        return s && s->plugin && hb_seat_sound(s) &&
               (s->wants.observe || s->wants.rehearse || s->wants.learn || s->wants.history);
}

void hb_policies_look_again(hb_policies *p) {
        bool wanted = hb_lane_exists(p, HB_LANE_SHADOW) || (p->teacher && hb_model_bind_used(p));

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                wanted = wanted || wants_lessons(hb_slot_answering(&p->slots[k]));
        p->want_lessons = wanted;
        hb_lanes_moved(p);
}

bool hb_policies_want_lessons(const hb_policies *p) {
        return p->want_lessons;
}

void hb_policies_epoch(hb_policies *p, const struct hb_policy_guest *g) {
        hb_share_epoch(&p->share, g->epoch_s);
        hb_swap_epoch(p);
        hb_model_bind_epoch(p);
}

void hb_policies_set_teacher(hb_policies *p, hb_policies_teacher *teacher, void *arg) {
        p->teacher = teacher;
        p->teacher_arg = arg;
        hb_policies_look_again(p);
}
