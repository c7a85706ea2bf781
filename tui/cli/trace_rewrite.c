/* trace_rewrite: begins and ends a command that writes a trace. The result's figures are messages, not data:
 * they go to standard error unless asked for with --json. */
#include "cli/trace_rewrite.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "control/ctl.h"
#include "draw/format.h"

static int tick(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

void hb_cli_rewrite_begin(struct hb_cli *c, struct hb_cli_work *w, const char *subject,
                          struct hb_look_output *ret) {
        hb_cli_work_begin(w, c, subject);
        *ret = (struct hb_look_output){.path = hb_cli_value(c, "output"),
                                       .replace = hb_cli_flag(c, "force"),
                                       .tick = tick,
                                       .arg = w};
}

static json_t *as_json(const struct hb_look_output *o, const struct hb_look_result *r) {
        return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:b}", "file", hb_ctl_text(o->path),
                         "epochs", (json_int_t)r->epochs, "records", (json_int_t)r->records, "events",
                         (json_int_t)r->events, "events_left_out", (json_int_t)r->left_out, "first_epoch",
                         (json_int_t)r->first_epoch, "last_epoch", (json_int_t)r->last_epoch, "seconds",
                         (double)r->seconds_ns / 1e9, "bytes", (json_int_t)r->bytes, "bytes_in",
                         (json_int_t)r->bytes_in, "cut_short", r->cut_short);
}

static void say(struct hb_cli *c, const struct hb_look_output *o, const struct hb_look_result *r) {
        char num[2][HB_FMT_SIZE], span[64] = "no epochs";
        FILE *err = c->io->err;

        if (r->epochs)
                snprintf(span, sizeof(span), "epochs %u to %u", r->first_epoch, r->last_epoch);
        hb_cli_put(err, o->path);
        fprintf(err, ": %s, %s, %llu records, %llu events, %s\n", span,
                hb_fmt_seconds((double)r->seconds_ns / 1e9, num[0]), (unsigned long long)r->records,
                (unsigned long long)r->events, hb_fmt_bytes((double)r->bytes, num[1]));
        if (r->left_out)
                fprintf(err, "%llu events were left out\n", (unsigned long long)r->left_out);
}

int hb_cli_rewrite_end(struct hb_cli_work *w, int rc, const struct hb_look_output *o,
                       const struct hb_look_result *r, json_t *extra, struct hb_err *e) {
        json_t *result;

        hb_cli_work_end(w);
        if (rc < 0) {
                json_decref(extra);
                return rc;
        }
        if (!w->c->json) {
                say(w->c, o, r);
                if (r->cut_short)
                        hb_cli_say(w->c,
                                   "a file read has no end: it was cut short or is still being written; "
                                   "all its whole blocks are in");
                json_decref(extra);
                return 0;
        }
        result = as_json(o, r);
        if (extra)
                json_object_update(result, extra);
        json_decref(extra);
        return hb_cli_print_json(w->c, result, e);
}
