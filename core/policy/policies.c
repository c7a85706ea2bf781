/* policies: one policy of each kind, and the judge over them.
 *
 * Invariant: an answer is always given. A plugin's failure is counted, never read as "no prefetch": the
 * built-in answers that call, and for good once the plugin has had STRIKES failures too close together
 * (quarantine). A failure is forgiven after FORGIVE clean calls. Results are checked and bounded here, so
 * callers may trust them. Cost: 0.3 ns a page beyond the policy. One thread at a time. */
#include "base/fault.h"
#include "policy/builtin.h"
#include "policy/plugin.h"
#include "policy/vec_kernels.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRIKES          3
#define FORGIVE          256
#define MIN_MEMORY       (1ull << 20)
#define MAX_MEMORY       (1ull << 30)
#define MAX_DEADLINE     10000000000ull
#define DEFAULT_MEMORY   (64ull << 20)
#define DEFAULT_DEADLINE 50000000ull

struct slot {
        hb_plugin *plugin; /* NULL: the built-in */
        struct hb_policy_status status;
        unsigned strikes, clean_calls;
};

struct hb_policies {
        hb_guard *guard;
        struct slot slots[HB_POLICY_KINDS];
        struct hb_builtin_memory memory;
        float *room; /* two columns of a batch: a plugin's answer until it is known to be good */
};

static const char *const builtin_names[HB_POLICY_KINDS] = {"ewma", "cost_benefit", "adaptive"};

static int load(hb_policies *p, const struct hb_policy_options *o, enum hb_policy_kind k, struct hb_err *e) {
        struct hb_plugin_limits limits = {.memory_bytes = o->memory_bytes ? o->memory_bytes : DEFAULT_MEMORY,
                                          .deadline_ns = o->deadline_ns ? o->deadline_ns : DEFAULT_DEADLINE,
                                          .seed = o->seed};
        struct hb_policy_source source;
        struct slot *s = &p->slots[k];
        int rc;

        if (limits.memory_bytes < MIN_MEMORY || limits.memory_bytes > MAX_MEMORY ||
            limits.deadline_ns > MAX_DEADLINE)
                return hb_err_set(e, -EINVAL, o->names[k], "memory 1 MiB to 1 GiB, deadline at most 10 s",
                                  "policy limits out of range");
        rc = hb_policy_source_read(o->dir, k, o->names[k], &source, e);
        if (rc == 0)
                rc = hb_plugin_new(k, o->names[k], &source, &limits, p->guard, &s->plugin, e);
        if (rc < 0)
                return rc;
        s->status.builtin = false;
        snprintf(s->status.name, sizeof s->status.name, "%s", o->names[k]);
        snprintf(s->status.version, sizeof s->status.version, "%s", hb_plugin_version(s->plugin));
        snprintf(s->status.hash, sizeof s->status.hash, "%s", hb_plugin_hash(s->plugin));
        return 0;
}

static void set_builtin(struct slot *s, enum hb_policy_kind k) {
        s->status.builtin = true;
        snprintf(s->status.name, sizeof s->status.name, "%s", builtin_names[k]);
        snprintf(s->status.version, sizeof s->status.version, "%s", HB_VERSION);
        snprintf(s->status.hash, sizeof s->status.hash, "builtin");
}

int hb_policies_new(const struct hb_policy_options *o, hb_policies **ret, struct hb_err *e) {
        hb_policies *p = hb_fault("policy.new") ? NULL : calloc(1, sizeof *p);
        int rc = -ENOMEM;

        if (!p || !(p->room = malloc(2 * (size_t)HB_POLICY_BATCH * sizeof *p->room)) ||
            hb_guard_new(&p->guard) < 0) {
                hb_err_set(e, rc, "policies", NULL, "not enough memory for the policy host");
                goto fail;
        }
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                set_builtin(&p->slots[k], (enum hb_policy_kind)k);
                rc = o->names[k] ? load(p, o, (enum hb_policy_kind)k, e) : 0;
                if (rc < 0)
                        goto fail;
        }
        *ret = p;
        return 0;
fail:
        hb_policies_free(p);
        return rc;
}

hb_policies *hb_policies_free(hb_policies *p) {
        if (p) {
                for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                        hb_plugin_free(p->slots[k].plugin);
                hb_guard_free(p->guard);
                free(p->room);
                free(p);
        }
        return NULL;
}

static void count_failure(struct slot *s, const char *message) {
        s->status.errors++;
        snprintf(s->status.last_error, sizeof s->status.last_error, "%s", message);
        s->clean_calls = 0;
        if (++s->strikes >= STRIKES)
                s->status.quarantined = true;
}

static void count_success(struct slot *s) {
        if (s->strikes && ++s->clean_calls >= FORGIVE) {
                s->strikes--;
                s->clean_calls = 0;
        }
}

/* True: the plugin answered, its results are in c. */
static bool ask(struct slot *s, struct hb_plugin_call *c) {
        char message[HB_PLUGIN_MESSAGE];
        uint64_t cpu_ns = 0;
        int rc;

        s->status.calls++;
        s->status.pages += c->pages ? c->pages->n : 0;
        if (!s->plugin || s->status.quarantined)
                return false;
        rc = hb_plugin_run(s->plugin, c, message, &cpu_ns);
        s->status.total_ns += cpu_ns;
        if (cpu_ns > s->status.max_ns)
                s->status.max_ns = cpu_ns;
        if (rc < 0)
                count_failure(s, message);
        else
                count_success(s);
        return rc == 0;
}

/* The columns from `at` on, at most one batch of them. */
static struct hb_policy_pages part(const struct hb_policy_pages *all, uint32_t at) {
        struct hb_policy_pages p = *all;
        const float **columns[] = {&p.read_heat,  &p.write_heat,    &p.age_s,     &p.version_age_s,
                                   &p.run_length, &p.bytes_to_send, &p.predicted, &p.predicted_writes};

        for (unsigned k = 0; k < sizeof columns / sizeof *columns; k++)
                if (*columns[k])
                        *columns[k] += at;
        p.n = all->n - at < HB_POLICY_BATCH ? all->n - at : HB_POLICY_BATCH;
        return p;
}

void hb_policies_predict(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                         float *ret_accesses, float *ret_writes) {
        for (uint32_t at = 0; at < pages->n; at += HB_POLICY_BATCH) {
                struct hb_policy_pages batch = part(pages, at);
                struct hb_plugin_call c = {
                        .pages = &batch, .guest = g, .out = {p->room, p->room + HB_POLICY_BATCH}};

                if (!ask(&p->slots[HB_POLICY_PREDICTOR], &c))
                        hb_builtin_predict(&batch, g, c.out[0], c.out[1]);
                hb_vec_clamp_into(ret_accesses + at, c.out[0], 0, FLT_MAX, batch.n);
                hb_vec_clamp_into(ret_writes + at, c.out[1], 0, FLT_MAX, batch.n);
        }
}

void hb_policies_score(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       const struct hb_policy_link *l, const struct hb_policy_accuracy *a,
                       float *ret_scores) {
        for (uint32_t at = 0; at < pages->n; at += HB_POLICY_BATCH) {
                struct hb_policy_pages batch = part(pages, at);
                struct hb_plugin_call c = {
                        .pages = &batch, .guest = g, .link = l, .accuracy = a, .out = {p->room, NULL}};

                if (!ask(&p->slots[HB_POLICY_SCORER], &c))
                        hb_builtin_score(&batch, l, c.out[0]);
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
        double cut = ask(&p->slots[HB_POLICY_THRESHOLD], &c)
                             ? c.number
                             : hb_builtin_threshold(&p->memory, g, l, a, c.previous);

        if (cut > 1)
                return HB_POLICY_CUT_NONE;
        return cut >= -1 ? cut : -1;
}

void hb_policies_status(const hb_policies *p, enum hb_policy_kind k, struct hb_policy_status *ret) {
        *ret = p->slots[k].status;
}
