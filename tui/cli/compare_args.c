/* compare_args: the options of `trace compare` and `trace report`, and a run with its progress line. */
#include "base/clock.h"
#include "base/shape.h"
#include "base/units.h"
#include "cli/compare_view.h"
#include "cli/work.h"
#include <errno.h>
#include <string.h>

#define POLICIES "/usr/share/harbinger/policies"

static int on_hash(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

static int on_cells(void *arg, const struct hb_compare_progress *p) {
        char what[120];
        int n = snprintf(what, sizeof(what), "%u of %u cells", p->there + p->done, p->cells);

        if (p->elapsed_s > 1 && p->done)
                n += snprintf(what + n, sizeof(what) - (size_t)n, ", %.3g a minute",
                              60 * p->done / p->elapsed_s);
        if (p->failed)
                snprintf(what + n, sizeof(what) - (size_t)n, ", %u failed", p->failed);
        return hb_cli_work_share(arg, p->share, what);
}

static int bad(const char *option, const char *value, const char *next, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, value, next, "--%s cannot be understood", option);
}

static int read_words(struct hb_cli *c, struct hb_compare_options *o, struct hb_err *e) {
        const char *budget = hb_cli_value(c, "budget"), *latency = hb_cli_value(c, "latency"),
                   *image = hb_cli_value(c, "image-size");

        if (budget && strcmp(budget, "working-set") != 0 && strcmp(budget, "oracle") != 0)
                return bad("budget", budget, "working-set or oracle", e);
        if (latency && (hb_units_seconds(latency, &o->latency_s) < 0 || o->latency_s > 60))
                return bad("latency", latency, "a time up to 60 s: 200us, 1.5ms", e);
        if (latency && !(o->latency_s > 0))
                o->latency_s = 1e-9; /* 0 would be the default */
        if (image && (hb_units_bytes(image, &o->image_bytes) < 0 || o->image_bytes < HB_PAGE_SIZE))
                return bad("image-size", image, "a size: 512MiB, 2GiB; at least a page", e);
        o->oracle_budget = budget && strcmp(budget, "oracle") == 0;
        return 0;
}

static int read_args(struct hb_cli *c, struct hb_compare_options *o, struct hb_err *e) {
        double moments = hb_cli_number(c, "moments");

        o->policies = hb_cli_value(c, "policy");
        o->policy_dir = hb_cli_flag(c, "policies") ? hb_cli_value(c, "policies") : POLICIES;
        o->base = hb_cli_value(c, "base");
        o->horizons = hb_cli_value(c, "horizon");
        o->links = hb_cli_value(c, "link");
        o->seed = (uint64_t)hb_cli_number(c, "seed");
        o->only = hb_cli_flag(c, "only");
        o->moments = !hb_cli_flag(c, "moments") ? 0 : moments > 0 ? (int)moments : -1;
        return read_words(c, o, e);
}

int hb_compare_args_run(struct hb_cli *c, const char *const *traces, unsigned n, hb_results *db,
                        struct hb_compare_plan **ret_plan, struct hb_err *e) {
        struct hb_compare_options o = {.traces = traces, .ntraces = n};
        struct hb_compare_run run = {.jobs = (unsigned)hb_cli_number(c, "jobs"), .tick = on_cells};
        struct hb_cli_work work;
        int r = read_args(c, &o, e);

        *ret_plan = NULL;
        if (r < 0)
                return r;
        hb_cli_work_begin(&work, c, "reading");
        r = hb_compare_plan_new(&o, on_hash, &work, ret_plan, e);
        work.subject = "comparing";
        work.began_ns = hb_now_ns();
        run.arg = &work;
        if (r == 0)
                r = hb_compare_run(*ret_plan, db, &run, e);
        hb_cli_work_end(&work);
        return r;
}
