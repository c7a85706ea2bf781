/* replay: opens a trace, decides which way it is replayed, and goes through it an epoch at a time.
 *
 * Invariant: nothing here looks at a clock; result and digest depend on trace and options alone. Judging the
 * predictor uses policies of its own, so decisions are the same with and without it. One thread. */
#include "base/fault.h"
#include "replay/replay_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HORIZON_S   10.0
#define DEADLINE_NS 10000000000ull /* the most there is: a slow machine must not decide otherwise */
#define LATEST_NS   (1ull << 62)

double hb_replay_horizon(const struct hb_replay *r) {
        struct hb_rd rd = hb_rd_init(r->h->engine, r->h->engine_size);
        struct hb_engine_options o;

        if (r->o.horizon_s > 0)
                return r->o.horizon_s;
        if (r->h->engine_size && hb_engine_options_decode(&rd, &o) == 0 && o.horizon_s > 0)
                return o.horizon_s;
        return HORIZON_S;
}

hb_engine *hb_replay_engine_of(const struct hb_replay *r) {
        return r->exact ? r->x.engine : r->sim ? r->sim->engine : NULL;
}

const hb_engine *hb_replay_engine(const hb_replay *r) {
        return hb_replay_engine_of(r);
}

const struct hb_trace_header *hb_replay_header(const hb_replay *r) {
        return r->h;
}

/* ---- which policies, which way ---- */

/* The one asked for, else the trace's, else the built-in (NULL). What decides alike stands in for a file that
 * is not at hand: the built-in for the shipped policy of its name. */
static const char *policy_name(const struct hb_replay *r, unsigned k) {
        static const char *const shipped[HB_POLICY_KINDS] = {"ewma", "cost_benefit", "adaptive"};
        const struct hb_trace_policy *p = &r->h->policies[k];

        if (r->names[k]) /* "": the built-in */
                return r->names[k][0] ? r->names[k] : NULL;
        if (!p->name[0] || strcmp(p->hash, "builtin") == 0 || (!r->dir && strcmp(p->name, shipped[k]) == 0))
                return NULL;
        return p->name;
}

int hb_replay_policies(const struct hb_replay *r, hb_policies **ret, struct hb_err *e) {
        struct hb_policy_options o = {.dir = r->dir,
                                      .deadline_ns = DEADLINE_NS,
                                      .epoch_share = INFINITY,
                                      .model = r->model,
                                      .seed = r->o.seed ? r->o.seed : r->h->seed};

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                o.names[k] = policy_name(r, k);
                if (o.names[k] && !r->dir)
                        return hb_err_set(
                                e, -ENOENT, o.names[k], "say where the policies are, with --policies",
                                "%s %s is no built-in",
                                r->names[k] ? "the wanted" : "the trace was recorded with a policy: its",
                                hb_policy_kind_name((enum hb_policy_kind)k));
        }
        return hb_policies_new(&o, ret, e);
}

static bool asks_for_other(const struct hb_replay *r) {
        const struct hb_replay_options *o = &r->o;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                if (r->names[k] && strcmp(r->names[k], r->h->policies[k].name) != 0)
                        return true;
        return o->horizon_s > 0 || o->link_bytes_per_s > 0 || o->latency_s > 0 || o->wire_share > 0 ||
               o->image_bytes || o->seed || o->migrate_moments || o->model || o->finetune > 0 ||
               o->predictor_params;
}

static int choose(struct hb_replay *r, struct hb_err *e) {
        struct hb_trace_info info;
        bool can;

        hb_trace_reader_info(r->reader, &info);
        can = info.events[HB_TRACE_INPUT] > 0 && r->h->engine_size > 0 && r->h->part == 0;
        if (r->o.mode == HB_REPLAY_EXACT && r->h->part > 0)
                return hb_err_set(e, -EOPNOTSUPP, r->h->guest,
                                  "join the parts with harbinger trace merge, or replay it simulated",
                                  "this is part %u of a recording, and the engine began in part 0",
                                  r->h->part);
        if (r->o.mode == HB_REPLAY_EXACT && !can)
                return hb_err_set(e, -EOPNOTSUPP, r->h->guest, "replay it simulated, without --exact",
                                  "the trace has no engine inputs: it was not recorded on a target");
        if (r->o.mode == HB_REPLAY_EXACT && r->o.migrate_moments)
                return hb_err_set(e, -EINVAL, "--migrate-at", "leave out --exact",
                                  "what is replayed exactly cannot take another course");
        r->exact = r->o.mode == HB_REPLAY_EXACT || (r->o.mode == HB_REPLAY_AUTO && can && !asks_for_other(r));
        r->r.exact = r->exact;
        return 0;
}

/* ---- made and unmade ---- */

static int copy_options(struct hb_replay *r, const struct hb_replay_options *o) {
        r->o = *o;
        if (o->policy_dir && !(r->dir = strdup(o->policy_dir)))
                return -ENOMEM;
        if (o->model && !(r->model = strdup(o->model)))
                return -ENOMEM;
        if (o->predictor_params && !(r->params = strdup(o->predictor_params)))
                return -ENOMEM;
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                if (o->policies[k] && !(r->names[k] = strdup(o->policies[k])))
                        return -ENOMEM;
        return 0;
}

static int make_judge(struct hb_replay *r, struct hb_err *e) {
        uint64_t n = r->h->shape.pages;
        int rc = hb_replay_policies(r, &r->judged, e);

        if (rc < 0)
                return rc;
        r->accesses = hb_fault("replay.judge") ? NULL : malloc(n * sizeof(*r->accesses));
        r->writes = malloc(n * sizeof(*r->writes));
        if (!r->accesses || !r->writes)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory to judge the predictor");
        return 0;
}

static int make(struct hb_replay *r, struct hb_err *e) {
        int rc = choose(r, e);

        if (rc == 0)
                rc = hb_replay_policies(r, &r->policies, e);
        if (rc == 0 && r->o.quality)
                rc = make_judge(r, e);
        if (rc == 0 && hb_bitmap_init(&r->resident, r->h->shape.pages) < 0)
                rc = hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        if (rc == 0)
                rc = r->exact ? hb_replay_exact_new(r, e) : hb_replay_sim_new(r, e);
        if (rc == 0)
                rc = hb_replay_tuning_new(r, e);
        if (rc == 0 && r->sim)
                hb_engine_inform(r->sim->engine, r->judged);
        if (rc == 0 && r->params && r->sim)
                rc = hb_replay_set_params(r, e);
        return rc;
}

int hb_replay_open(const char *path, const struct hb_replay_options *o, hb_replay **ret, struct hb_err *e) {
        hb_replay *r = hb_fault("replay.open") ? NULL : calloc(1, sizeof(*r));
        int rc;

        if (!r || copy_options(r, o) < 0) {
                rc = hb_err_set(e, -ENOMEM, path, NULL, "no memory for a replay");
                goto fail;
        }
        rc = hb_trace_reader_open(path, &r->reader, e);
        if (rc < 0)
                goto fail;
        r->h = hb_trace_reader_header(r->reader);
        rc = make(r, e);
        if (rc < 0)
                goto fail;
        *ret = r;
        return 0;
fail:
        hb_replay_free(r);
        return rc;
}

hb_replay *hb_replay_free(hb_replay *r) {
        if (!r)
                return NULL;
        hb_replay_free_turn(r);
        hb_sim_free(r->sim);
        hb_replay_exact_free(r);
        hb_page_map_free(r->map);
        hb_policies_free(r->policies);
        hb_policies_free(r->judged);
        hb_quality_free(r->quality);
        hb_bitmap_fini(&r->resident);
        hb_trace_reader_free(r->reader);
        hb_replay_tuning_free(r->tuning);
        free(r->accesses);
        free(r->writes);
        free(r->dir);
        free(r->model);
        free(r->params);
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                free(r->names[k]);
        free(r);
        return NULL;
}

/* ---- judging ---- */

static int judge_begin(struct hb_replay *r) {
        struct hb_quality_options o = {.horizon_s = hb_replay_horizon(r),
                                       .oracle_budget = r->o.oracle_budget,
                                       .begin_ns = r->begin_ns};
        int rc = hb_quality_new(r->h->shape.pages, &o, &r->quality);

        if (rc == 0)
                hb_quality_on_moment(r->quality, r->o.on_moment, r->o.watch_arg);
        return rc;
}

int hb_replay_judge(struct hb_replay *r, uint64_t time_ns, const struct hb_bitmap *accessed,
                    const struct hb_bitmap *written) {
        int rc = 0;

        if (!r->o.quality || (r->sim && r->sim->alone))
                return 0;
        if (!r->quality)
                rc = judge_begin(r);
        if (rc < 0)
                return rc;
        hb_quality_epoch(r->quality, time_ns, accessed, written);
        if (!hb_quality_due(r->quality) || !hb_replay_engine_of(r))
                return 0;
        hb_engine_predict(hb_replay_engine_of(r), r->judged, 0, r->accesses, r->writes);
        return hb_quality_predicted(r->quality, r->accesses, r->writes);
}

/* ---- epoch by epoch ---- */

/* The trace begins an epoch before the end of its first one. */
int hb_replay_note_time(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        uint64_t step = r->h->epoch_ns;

        if (i->time_ns > LATEST_NS)
                return hb_err_set(e, -EBADMSG, r->h->guest, "harbinger trace verify it",
                                  "epoch %u ends more than a century after the trace's begin", i->epoch);
        if (!r->began)
                r->begin_ns = i->time_ns > step ? i->time_ns - step : 0;
        r->began = true;
        r->last_ns = i->time_ns;
        return 0;
}

static void fill_point(struct hb_replay *r) {
        struct hb_engine_stats s = {0};

        if (hb_replay_engine_of(r))
                hb_engine_stats(hb_replay_engine_of(r), &s);
        r->point.fresh = s.fresh;
        r->point.resident = s.resident;
        r->point.bytes = s.fetched_bytes;
        r->point.threshold = s.threshold;
        r->point.precision = s.precision;
        r->point.recall = s.recall;
}

void hb_replay_end_epoch(struct hb_replay *r, const struct hb_trace_item *i) {
        struct hb_replay_point *p = &r->point;

        r->epoch = i->epoch;
        r->r.epochs++;
        r->r.records += i->naccess;
        r->all_accessed += p->accessed;
        r->all_covered += (uint64_t)(p->coverage * (double)p->accessed + 0.5);
        p->epoch = i->epoch;
        p->time_ns = i->time_ns;
        fill_point(r);
        if (r->o.on_point)
                r->o.on_point(r->o.watch_arg, p);
}

static int next_item(struct hb_replay *r, struct hb_trace_item *i, struct hb_err *e) {
        int rc = hb_trace_reader_next(r->reader, i, e);

        if (rc > 0)
                rc = r->exact ? hb_replay_exact_item(r, i, e) : hb_replay_sim_item(r, i, e);
        return rc;
}

int hb_replay_step(hb_replay *r, struct hb_err *e) {
        struct hb_trace_item i;
        int rc = 0, tuned;

        if (r->ended || (r->o.until && r->epoch >= r->o.until)) {
                r->ended = true;
                return 0;
        }
        r->point = (struct hb_replay_point){0};
        do {
                i.kind = HB_TRACE_END;
                rc = next_item(r, &i, e);
        } while (rc > 0 && i.kind != HB_TRACE_EPOCH);
        tuned = rc > 0 ? hb_replay_tuning_step(r, e) : 0;
        rc = tuned < 0 ? tuned : rc;
        if (rc <= 0) {
                r->ended = true;
                return rc;
        }
        hb_replay_end_epoch(r, &i);
        return 1;
}

/* ---- answers ---- */

void hb_replay_point(const hb_replay *r, struct hb_replay_point *ret) {
        *ret = r->point;
}

void hb_replay_progress(const hb_replay *r, double *ret_share) {
        uint64_t of = 0, at = hb_trace_reader_at(r->reader, &of);

        *ret_share = r->ended ? 1.0 : of ? (double)at / (double)of : 0.0;
}

static void frozen_now(struct hb_replay_result *r, const struct hb_engine_stats *s) {
        r->hit = s->fresh;
        r->late = s->fetching;
        r->stale = s->stale;
        r->missing = s->absent;
        r->wasted = s->wasted_pages;
        r->bytes = s->fetched_bytes;
        r->wire_bytes = s->wire_bytes;
        r->digest = s->digest;
}

static void name_policies(const hb_replay *r, struct hb_replay_result *ret) {
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status s;

                hb_policies_status(r->policies, (enum hb_policy_kind)k, &s);
                memcpy(ret->policies[k].name, s.name, sizeof(s.name));
                memcpy(ret->policies[k].version, s.version, sizeof(s.version));
                memcpy(ret->policies[k].hash, s.hash, sizeof(s.hash));
                ret->policies[k].errors = s.errors;
                memcpy(ret->policies[k].note, s.note, sizeof(s.note));
        }
}

static const struct hb_quality_result nothing_judged = {
        {NAN, NAN, NAN, 0}, {NAN, NAN, NAN, 0}, {NAN, NAN, NAN, 0}, {NAN, NAN, NAN, 0}};

void hb_replay_result(hb_replay *r, struct hb_replay_result *ret) {
        struct hb_engine_stats s = {0};

        if (hb_replay_engine_of(r))
                hb_engine_stats(hb_replay_engine_of(r), &s);
        *ret = r->r;
        frozen_now(ret, &s);
        ret->seconds = r->began ? (double)(r->last_ns - r->begin_ns) / 1e9 : 0;
        ret->coverage = r->all_accessed ? (double)r->all_covered / (double)r->all_accessed : 0;
        ret->summary_bytes = r->sim ? r->sim->summary_bytes : 0;
        ret->quality = nothing_judged;
        if (r->quality)
                hb_quality_result(r->quality, &ret->quality);
        name_policies(r, ret);
        hb_replay_tuning_fill(r, ret);
}
