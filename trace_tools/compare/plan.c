/* plan: from words to a matrix. All that can be wrong with a matrix is said here, before the first cell. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/units.h"
#include "compare/plan_priv.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_S    5
#define SPANS     720
#define LONGEST_H 3600.0
#define SLOWEST   1e3 /* what a replay's link can be */
#define FASTEST   1e12

/* ---- words ---- */
int hb_compare_words(const char *list, const char *label,
                     int (*fn)(void *arg, const char *word, struct hb_err *e), void *arg, struct hb_err *e) {
        const char *p = list;
        int r = 0;

        while (r == 0 && p) {
                size_t n = strcspn(p, ","), from = strspn(p, " "), to = n;
                char word[600];

                while (to > from && p[to - 1] == ' ')
                        to--;
                if (to <= from || to - from >= sizeof(word))
                        return hb_err_set(e, -EINVAL, list, "separate the words by single commas",
                                          "a word of %s is %s", label, to <= from ? "empty" : "too long");
                snprintf(word, sizeof(word), "%.*s", (int)(to - from), p + from);
                r = fn(arg, word, e);
                p = p[n] == ',' ? p + n + 1 : NULL;
        }
        return r;
}

static int add_link(void *arg, const char *word, struct hb_err *e) {
        struct hb_compare_plan *p = arg;
        struct hb_compare_link *l = &p->links[p->nlinks];

        if (p->nlinks == HB_COMPARE_MAX_AXIS)
                return hb_err_set(e, -E2BIG, word, NULL, "more than %d links", HB_COMPARE_MAX_AXIS);
        if (strlen(word) >= sizeof(l->name) || hb_units_rate(word, &l->bytes_per_s) < 0 ||
            l->bytes_per_s < SLOWEST || l->bytes_per_s > FASTEST)
                return hb_err_set(e, -EINVAL, word, "a rate: 100mbit, 1gbit, 80MB/s; 1 kB/s to 1 TB/s",
                                  "not a link's speed");
        for (unsigned i = 0; i < p->nlinks; i++)
                if (p->links[i].bytes_per_s == l->bytes_per_s)
                        return 0;
        snprintf(l->name, sizeof(l->name), "%s", word);
        p->nlinks++;
        return 0;
}

static int add_horizon(void *arg, const char *word, struct hb_err *e) {
        struct hb_compare_plan *p = arg;
        double v;

        if (p->nhorizons == HB_COMPARE_MAX_AXIS)
                return hb_err_set(e, -E2BIG, word, NULL, "more than %d horizons", HB_COMPARE_MAX_AXIS);
        if (hb_units_seconds(word, &v) < 0 || !(v > 0) || v > LONGEST_H)
                return hb_err_set(e, -EINVAL, word, "as in 5,10,30", "a horizon must be seconds, up to %g",
                                  LONGEST_H);
        for (unsigned i = 0; i < p->nhorizons; i++)
                if (p->horizons[i] == v)
                        return 0;
        p->horizons[p->nhorizons++] = v;
        return 0;
}

/* ---- traces ---- */
struct reading {
        int (*tick)(void *arg, uint64_t at, uint64_t of);
        void *arg;
        uint64_t of;
};

static int on_read(void *arg, uint64_t at) {
        struct reading *r = arg;

        return r->tick ? r->tick(r->arg, at, r->of) : 0;
}

/* The file's name without folder and ending; a number where another trace has it. */
static void name_trace(const struct hb_compare_plan *p, struct hb_compare_trace *t) {
        const char *base = strrchr(t->path, '/') ? strrchr(t->path, '/') + 1 : t->path;
        size_t n = strlen(base);
        unsigned number = 1;

        if (n > 4 && strcmp(base + n - 4, ".hbt") == 0)
                n -= 4;
        snprintf(t->name, sizeof(t->name), "%.*s", (int)(n < 56 ? n : 56), base);
        for (unsigned i = 0; i < p->ntraces; i++)
                if (strcmp(p->traces[i].name, t->name) == 0) {
                        snprintf(t->name, sizeof(t->name), "%.*s-%u", (int)(n < 56 ? n : 56), base, ++number);
                        i = (unsigned)-1;
                }
}

static int look_into(struct hb_compare_trace *t, struct hb_err *e) {
        const struct hb_trace_header *h;
        struct hb_trace_info info;
        hb_trace_reader *r;
        int rc = hb_trace_reader_open(t->path, &r, e);

        if (rc < 0)
                return rc;
        h = hb_trace_reader_header(r);
        hb_trace_reader_info(r, &info);
        snprintf(t->guest, sizeof(t->guest), "%s", h->guest);
        snprintf(t->origin, sizeof(t->origin), "%s", hb_trace_origin_name(h->origin));
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                t->brings[k] = h->policies[k].name[0] && strcmp(h->policies[k].hash, "builtin") != 0;
        t->pages = h->shape.pages;
        t->bytes = info.bytes;
        t->epochs = info.epochs;
        t->records = info.records;
        t->first_ns = info.first_ns;
        t->last_ns = info.last_ns;
        hb_trace_reader_free(r);
        if (t->epochs == 0)
                return hb_err_set(e, -ENODATA, t->path, "harbinger trace info says what is in it",
                                  "the trace has no epochs");
        return 0;
}

static int add_trace(struct hb_compare_plan *p, const char *path, struct reading *reading, struct hb_err *e) {
        struct hb_compare_trace *t = &p->traces[p->ntraces];
        int r;

        if (strlen(path) >= sizeof(t->path))
                return hb_err_set(e, -ENAMETOOLONG, path, NULL, "the path is too long");
        strcpy(t->path, path);
        r = look_into(t, e);
        if (r < 0)
                return r;
        reading->of = t->bytes;
        r = hb_compare_hash_file(path, on_read, reading, t->hash, e);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < p->ntraces; i++)
                if (strcmp(p->traces[i].hash, t->hash) == 0)
                        return hb_err_set(e, -EINVAL, path, "name each trace once", "the same trace as %s",
                                          p->traces[i].path);
        name_trace(p, t);
        p->ntraces++;
        return 0;
}

static int add_traces(struct hb_compare_plan *p, const struct hb_compare_options *o, struct reading *reading,
                      struct hb_err *e) {
        int r = 0;

        if (o->ntraces == 0 || o->ntraces > HB_COMPARE_MAX_TRACES)
                return hb_err_set(e, -EINVAL, NULL, NULL, "name 1 to %d traces", HB_COMPARE_MAX_TRACES);
        p->traces = hb_fault("compare.plan") ? NULL : calloc(o->ntraces, sizeof(*p->traces));
        if (!p->traces)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (unsigned i = 0; i < o->ntraces && r == 0; i++)
                r = add_trace(p, o->traces[i], reading, e);
        return r;
}

/* ---- the plan ---- */
int hb_compare_plan_new(const struct hb_compare_options *o, int (*tick)(void *arg, uint64_t at, uint64_t of),
                        void *arg, struct hb_compare_plan **ret, struct hb_err *e) {
        struct hb_compare_plan *p = calloc(1, sizeof(*p));
        struct reading reading = {tick, arg, 0};
        int r;

        if (!p)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        snprintf(p->version, sizeof(p->version), "%s", HB_VERSION);
        p->oracle_budget = o->oracle_budget;
        p->latency_s = o->latency_s > 0 ? o->latency_s : 200e-6;
        p->wire_share = o->wire_share > 0 ? o->wire_share : 0.5;
        p->image_bytes = o->image_bytes;
        p->seed = o->seed;
        p->moments = o->moments < 0 ? 0 : o->moments == 0 ? 2 : (unsigned)o->moments;
        if (p->moments > HB_REPLAY_MOMENTS)
                p->moments = HB_REPLAY_MOMENTS;
        r = hb_compare_words(o->horizons ? o->horizons : "10", "--horizon", add_horizon, p, e);
        if (r == 0)
                r = hb_compare_words(o->links ? o->links : "1gbit", "--link", add_link, p, e);
        if (r == 0)
                r = hb_compare_plan_policies(p, o, e);
        if (r == 0)
                r = add_traces(p, o, &reading, e);
        if (r == 0 && (uint64_t)p->ntraces * p->nhorizons * p->nlinks * p->npolicies > HB_COMPARE_MAX_CELLS)
                r = hb_err_set(e, -E2BIG, NULL, "leave some out", "more than %d cells", HB_COMPARE_MAX_CELLS);
        if (r == 0)
                *ret = p;
        else
                hb_compare_plan_free(p);
        return r;
}

struct hb_compare_plan *hb_compare_plan_free(struct hb_compare_plan *p) {
        if (!p)
                return NULL;
        hb_compare_unstage(p);
        free(p->traces);
        free(p);
        return NULL;
}

/* ---- its cells ---- */
unsigned hb_compare_cells(const struct hb_compare_plan *p) {
        return p->ntraces * p->nhorizons * p->nlinks * p->npolicies;
}

struct hb_compare_at hb_compare_at(const struct hb_compare_plan *p, unsigned cell) {
        struct hb_compare_at at;

        at.policy = cell % p->npolicies;
        at.link = cell / p->npolicies % p->nlinks;
        at.horizon = cell / p->npolicies / p->nlinks % p->nhorizons;
        at.trace = cell / p->npolicies / p->nlinks / p->nhorizons;
        return at;
}

unsigned hb_compare_index(const struct hb_compare_plan *p, struct hb_compare_at at) {
        return ((at.trace * p->nhorizons + at.horizon) * p->nlinks + at.link) * p->npolicies + at.policy;
}

uint64_t hb_compare_span_ns(const struct hb_compare_trace *t) {
        uint64_t lasts = t->last_ns - t->first_ns, least = SPAN_S * HB_NS_PER_S;

        return lasts / SPANS > least ? lasts / SPANS + 1 : least;
}

void hb_compare_replay_options(const struct hb_compare_plan *p, unsigned cell,
                               struct hb_replay_options *ret) {
        struct hb_compare_at at = hb_compare_at(p, cell);
        const struct hb_compare_policy *policy = &p->policies[at.policy];
        const struct hb_compare_trace *t = &p->traces[at.trace];
        struct hb_replay_options o = {.mode = HB_REPLAY_SIMULATED,
                                      .policy_dir = policy->dir,
                                      .horizon_s = p->horizons[at.horizon],
                                      .link_bytes_per_s = p->links[at.link].bytes_per_s,
                                      .latency_s = p->latency_s,
                                      .wire_share = p->wire_share,
                                      .image_bytes = p->image_bytes,
                                      .oracle_budget = p->oracle_budget,
                                      .quality = policy->kind != HB_COMPARE_NOTHING,
                                      .seed = p->seed,
                                      .migrate_moments = p->moments};

        for (int k = 0; k < HB_POLICY_KINDS; k++)
                o.policies[k] = policy->names[k][0] || t->brings[k] ? policy->names[k]
                                                                    : NULL; /* "", NULL: built-in */
        for (unsigned i = 0; i < p->moments; i++)
                o.migrate_at_ns[i] =
                        (t->last_ns - t->first_ns) / (p->moments + 1) * (i + 1); /* after its begin */
        *ret = o;
}
