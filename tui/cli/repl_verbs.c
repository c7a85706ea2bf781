/* repl_verbs: what a replay that stands still is asked. Every answer is made as an object first; as text it
 * is printed from that object, so that people and scripts are told the same. */
#include "cli/cmd_trace_repl.h"
#include "cli/repl_pages.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "draw/format.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *hb_repl_real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* ---- answers ---- */
static const char *value_text(const json_t *v, char *buf, size_t size) {
        if (json_is_string(v))
                return json_string_value(v);
        if (json_is_integer(v))
                snprintf(buf, size, "%lld", (long long)json_integer_value(v));
        else if (json_is_real(v))
                snprintf(buf, size, "%.4g", json_real_value(v));
        else
                snprintf(buf, size, "%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-");
        return buf;
}

int hb_repl_tell(struct hb_repl *l, json_t *o, struct hb_err *e) {
        FILE *out = l->c->io->out;
        const char *key;
        json_t *v;
        char num[40];
        int r = 0;

        if (!o)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        if (l->c->json)
                r = json_dumpf(o, out, JSON_COMPACT | JSON_REAL_PRECISION(12)) < 0 || fputc('\n', out) == EOF;
        else
                json_object_foreach(o, key, v) {
                        fprintf(out, "%-20s", key);
                        hb_cli_put(out, value_text(v, num, sizeof(num)));
                        fputc('\n', out);
                }
        json_decref(o);
        return r ? hb_err_set(e, -EIO, NULL, NULL, "cannot write the answer") : 0;
}

/* ---- words ---- */
int hb_repl_number(struct hb_repl *l, unsigned word, double otherwise, double most, double *ret,
                   struct hb_err *e) {
        if (word >= l->nwords && otherwise >= 0) {
                *ret = otherwise;
                return 0;
        }
        if (word >= l->nwords)
                return hb_err_set(e, -EINVAL, NULL, "help lists the commands", "a number is missing");
        if (!hb_cli_read_number(HB_CLI_COUNT, l->words[word], ret) || *ret < 0 || *ret > most)
                return hb_err_set(e, -EINVAL, l->words[word], NULL, "not a whole number up to %.0f", most);
        return 0;
}

/* ---- going on ---- */
int hb_repl_point(struct hb_repl *l, struct hb_err *e) {
        struct hb_replay_point p = l->point;

        return hb_repl_tell(
                l,
                json_pack("{s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:b}", "epoch", (json_int_t)p.epoch,
                          "time_s", hb_repl_real((double)p.time_ns / 1e9), "accessed", (json_int_t)p.accessed,
                          "written", (json_int_t)p.written, "fresh", (json_int_t)p.fresh, "resident",
                          (json_int_t)p.resident, "bytes", (json_int_t)p.bytes, "coverage",
                          hb_repl_real(p.coverage), "threshold", hb_repl_real(p.threshold), "precision",
                          hb_repl_real(p.precision), "recall", hb_repl_real(p.recall), "ended", l->ended),
                e);
}

static bool may_go_on(struct hb_repl *l, struct hb_cli_work *w) {
        double share;
        char what[60];

        hb_replay_progress(l->r, &share);
        snprintf(what, sizeof(what), "epoch %u", l->point.epoch);
        return !hb_cli_work_share(w, share, what);
}

/* Until `epochs` more are done, or epoch `until` is. Ctrl-C stops it where it is. */
static int go(struct hb_repl *l, uint64_t epochs, uint32_t until, struct hb_err *e) {
        struct hb_cli_work w;
        int r = 1;

        hb_cli_work_begin(&w, l->c, "replaying");
        for (; r > 0 && epochs > 0 && l->point.epoch < until && may_go_on(l, &w); epochs--) {
                r = hb_replay_lens_step(l->lens, e);
                if (r > 0)
                        hb_replay_point(l->r, &l->point);
        }
        hb_cli_work_end(&w);
        if (r < 0)
                return r == -EINVAL ? -EIO : r;
        l->ended = l->ended || r == 0;
        if (r == 0)
                hb_cli_say(l->c, "the replay has ended");
        return hb_repl_point(l, e);
}

int hb_repl_step(struct hb_repl *l, struct hb_err *e) {
        double n;
        int r = hb_repl_number(l, 0, 1, 4294967295.0, &n, e);

        return r < 0 ? r : go(l, (uint64_t)n, UINT32_MAX, e);
}

int hb_repl_until(struct hb_repl *l, struct hb_err *e) {
        double n;
        int r = hb_repl_number(l, 0, -1, 4294967295.0, &n, e);

        if (r < 0)
                return r;
        if ((uint32_t)n <= l->point.epoch)
                return hb_err_set(e, -EINVAL, l->words[0], "a replay goes one way: begin another",
                                  "the replay is at epoch %u already", l->point.epoch);
        return go(l, UINT64_MAX, (uint32_t)n, e);
}

/* ---- figures ---- */
int hb_repl_stats(struct hb_repl *l, struct hb_err *e) {
        const hb_engine *engine = hb_replay_engine(l->r);
        struct hb_engine_stats s;
        char digest[20];
        json_t *o;

        if (!engine)
                return hb_err_set(e, -EINVAL, NULL, "step first", "there is no engine yet");
        hb_engine_stats(engine, &s);
        snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)s.digest);
        o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "processed",
                      (json_int_t)s.processed, "resident", (json_int_t)s.resident, "fresh",
                      (json_int_t)s.fresh, "stale", (json_int_t)s.stale, "absent", (json_int_t)s.absent,
                      "fetching", (json_int_t)s.fetching, "zero", (json_int_t)s.zero_pages, "fetched_pages",
                      (json_int_t)s.fetched_pages, "wire_bytes", (json_int_t)s.wire_bytes, "wasted_pages",
                      (json_int_t)s.wasted_pages, "failed_pages", (json_int_t)s.failed_pages,
                      "above_threshold", (json_int_t)s.above_threshold);
        hb_cli_set(o, "threshold", hb_repl_real(s.threshold));
        hb_cli_set(o, "precision", hb_repl_real(s.precision));
        hb_cli_set(o, "recall", hb_repl_real(s.recall));
        hb_cli_set(o, "dirty_bytes_per_s", hb_repl_real(s.dirty_bytes_per_s));
        hb_cli_set(o, "ready", json_boolean(s.ready));
        hb_cli_set(o, "draining", json_boolean(s.draining));
        hb_cli_set(o, "frozen", json_boolean(s.frozen));
        hb_cli_set(o, "complete", json_boolean(s.complete));
        hb_cli_set(o, "decision_digest", json_string(digest));
        return hb_repl_tell(l, o, e);
}

static void add_score(json_t *o, const char *of, const struct hb_quality_score *s) {
        static const char *const names[] = {"precision", "recall", "f1"};
        const double values[] = {s->precision, s->recall, s->f1};
        char key[40];

        for (int i = 0; i < 3; i++) {
                snprintf(key, sizeof(key), "%s%s%s", names[i], of[0] ? "_" : "", of);
                hb_cli_set(o, key, hb_repl_real(values[i]));
        }
        snprintf(key, sizeof(key), "moments%s%s", of[0] ? "_" : "", of);
        hb_cli_set(o, key, json_integer((json_int_t)s->moments));
}

int hb_repl_quality(struct hb_repl *l, struct hb_err *e) {
        struct hb_replay_result r;
        json_t *o = json_object();

        hb_replay_result(l->r, &r);
        add_score(o, "", &r.quality.all);
        add_score(o, "returning", &r.quality.returning);
        add_score(o, "new", &r.quality.fresh);
        add_score(o, "writes", &r.quality.writes);
        return hb_repl_tell(l, o, e);
}
