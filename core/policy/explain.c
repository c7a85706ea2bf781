/* explain: one page's answer with the terms it was made of.
 *
 * The policies that answer now are asked once more about the page's batch, aside: what they remember and what
 * is counted of them stays as it was, so that looking changes no decision, and no replay. The built-ins name
 * their terms as the Lua files they mirror do. */
#include "base/fault.h"
#include "policy/host.h"
#include "policy/vec_kernels.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

struct telling {
        hb_policy_term *term;
        void *arg;
        enum hb_policy_kind kind;
};

static void tell(void *arg, const char *name, double value) {
        const struct telling *t = arg;

        if (t->term)
                t->term(t->arg, t->kind, name, value);
}

/* ---- the built-ins' terms ---- */

static double at(const float *column, uint32_t i) {
        return column ? (double)column[i] : 0;
}

static void tell_builtin(struct telling *t, const struct hb_plugin_call *c) {
        struct hb_builtin_terms b;

        hb_builtin_explain(t->kind, c->pages, c->at, c->link, &b);
        for (unsigned i = 0; i < b.n; i++)
                tell(t, b.term[i].name, b.term[i].value);
}

/* ---- asking ---- */

struct explaining {
        hb_policies *p;
        enum hb_policy_lane lane;
        struct hb_plugin_call call;
        struct hb_policy_pages pages;
        struct telling telling;
        struct hb_err *e;
};

static int ask(struct explaining *x, enum hb_policy_kind k, float *first, float *second) {
        struct hb_seat *s = hb_lane_seat(x->p, x->lane, k);
        struct hb_builtin_memory none = {0};
        char message[HB_PLUGIN_MESSAGE];
        uint64_t cpu_ns;
        int rc;

        x->telling.kind = k;
        x->call.out[0] = first;
        x->call.out[1] = second;
        if (!s || !s->plugin) {
                hb_builtin_answer(k, &x->call, &none);
                tell_builtin(&x->telling, &x->call);
                return 0;
        }
        rc = hb_aside_run(s->plugin, &x->call, message, &cpu_ns);
        if (rc < 0)
                return hb_err_set(x->e, rc, s->status.name, "harbinger policy show",
                                  "%s '%s' failed when asked to explain: %s", hb_policy_kind_name(k),
                                  s->status.name, message);
        return 0;
}

static int explain(struct explaining *x, float *room, struct hb_policy_explained *ret) {
        float *accesses = room, *writes = room + x->pages.n, *score = room + 2 * (size_t)x->pages.n;
        uint32_t n = x->pages.n, i = x->call.at;
        int rc = ask(x, HB_POLICY_PREDICTOR, accesses, writes);

        if (rc < 0)
                return rc;
        hb_vec_clamp_into(accesses, accesses, 0, FLT_MAX, n);
        hb_vec_clamp_into(writes, writes, 0, FLT_MAX, n);
        x->pages.predicted = accesses;
        x->pages.predicted_writes = writes;
        rc = ask(x, HB_POLICY_SCORER, score, NULL);
        if (rc < 0)
                return rc;
        hb_vec_clamp_into(score, score, -1, 1, n);
        *ret = (struct hb_policy_explained){at(accesses, i), at(writes, i), at(score, i)};
        return 0;
}

int hb_policies_explain(hb_policies *p, bool shadow, const struct hb_policy_pages *pages, uint32_t at,
                        const struct hb_policy_guest *g, const struct hb_policy_link *l,
                        const struct hb_policy_accuracy *a, hb_policy_term *term, void *arg,
                        struct hb_policy_explained *ret, struct hb_err *e) {
        struct explaining x = {.p = p,
                               .lane = shadow ? HB_LANE_SHADOW : HB_LANE_ACTIVE,
                               .telling = {.term = term, .arg = arg},
                               .e = e};
        float *room;
        int rc;

        if (at >= pages->n)
                return hb_err_set(e, -EINVAL, "page", NULL, "the page is none of those given");
        if (shadow && !hb_lane_exists(p, HB_LANE_SHADOW))
                return hb_err_set(e, -ENOENT, "shadow", "harbinger policy list", "there is no shadow to ask");
        x.pages = hb_policies_part(pages, at - at % HB_POLICY_BATCH);
        x.call = (struct hb_plugin_call){.pages = &x.pages,
                                         .guest = g,
                                         .link = l,
                                         .accuracy = a,
                                         .term = tell,
                                         .term_arg = &x.telling,
                                         .at = at % HB_POLICY_BATCH};
        room = hb_fault("policy.explain") ? NULL : malloc(3 * (size_t)x.pages.n * sizeof *room);
        if (!room)
                return hb_err_set(e, -ENOMEM, "page", NULL, "not enough memory to explain");
        rc = explain(&x, room, ret);
        free(room);
        return rc;
}

int hb_policies_expect(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       float *accesses, float *writes, struct hb_err *e) {
        struct explaining x = {.p = p, .lane = HB_LANE_ACTIVE, .e = e, .pages = *pages};
        int rc;

        x.call = (struct hb_plugin_call){.pages = &x.pages, .guest = g};
        rc = ask(&x, HB_POLICY_PREDICTOR, accesses, writes);
        if (rc < 0)
                return rc;
        hb_vec_clamp_into(accesses, accesses, 0, FLT_MAX, pages->n);
        hb_vec_clamp_into(writes, writes, 0, FLT_MAX, pages->n);
        return 0;
}
