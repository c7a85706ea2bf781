/* trace record -- CMD: a program or a whole guest under the emulator. The command owns the terminal: our
 * progress line is drawn only where its output does not go, and the last word is said when it is gone. */
#include "capture/capture.h"
#include "cli/cmd_trace.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "control/ctl.h"
#include "draw/format.h"
#include <errno.h>

struct shown {
        const struct hb_cli *c;
        bool open; /* a line without its end is on the terminal */
};

static void progress(void *arg, const struct hb_capture_progress *p) {
        struct shown *s = arg;
        char bytes[HB_FMT_SIZE], seconds[HB_FMT_SIZE];
        FILE *err = s->c->io->err;

        fprintf(err, "\r\033[Krecording: %llu epochs, %llu pages, %llu records, %s, %.1f M accesses/s, %s",
                (unsigned long long)p->epochs, (unsigned long long)p->pages, (unsigned long long)p->records,
                hb_fmt_bytes((double)p->bytes, bytes),
                p->seconds > 0 ? (double)p->accesses / p->seconds / 1e6 : 0.0,
                hb_fmt_seconds(p->seconds, seconds));
        fflush(err);
        s->open = true;
}

/* At most one of the three. */
static int read_unit(const struct hb_cli *c, struct hb_capture_options *o, struct hb_err *e) {
        static const char *const names[] = {"epoch-accesses", "epoch-time", "epoch-instructions"};
        static const enum hb_capture_unit units[] = {HB_CAPTURE_ACCESSES, HB_CAPTURE_NS,
                                                     HB_CAPTURE_INSTRUCTIONS};

        for (size_t i = 0; i < 3; i++) {
                if (!hb_cli_flag(c, names[i]))
                        continue;
                if (o->unit != HB_CAPTURE_DEFAULT)
                        return hb_err_set(e, -EINVAL, names[i], "give one of them",
                                          "an epoch has one length");
                o->unit = units[i];
                o->window = (uint64_t)(hb_cli_number(c, names[i]) * (i == 1 ? 1e9 : 1));
        }
        return 0;
}

static void say(const struct hb_cli *c, const char *file, const struct hb_capture_result *r) {
        const struct hb_capture_progress *s = &r->sum;
        char bytes[HB_FMT_SIZE], seconds[HB_FMT_SIZE];
        FILE *err = c->io->err;

        hb_cli_put(err, file);
        fprintf(err, ": %llu epochs, %llu pages, %llu records of %llu accesses, %s, recorded in %s\n",
                (unsigned long long)s->epochs, (unsigned long long)s->pages, (unsigned long long)s->records,
                (unsigned long long)s->accesses, hb_fmt_bytes((double)s->bytes, bytes),
                hb_fmt_seconds(s->seconds, seconds));
        if (r->replaced)
                fprintf(err,
                        "the command replaced itself by another program (execve): what that did is not in "
                        "the trace; record it directly\n");
        else if (r->left)
                fprintf(err, "the recording was ended; the command goes on\n");
        else if (!r->complete)
                fprintf(err, "the command was killed: its last, unfinished epoch is missing\n");
        if (r->forks)
                fprintf(err,
                        "%u processes that the command started are not in the trace; record them directly\n",
                        r->forks);
        if (r->lost)
                fprintf(err, "%llu accesses were lost: no memory to count them\n",
                        (unsigned long long)r->lost);
}

static json_t *as_json(const char *file, const struct hb_capture_result *r) {
        const struct hb_capture_progress *s = &r->sum;

        return json_pack("{s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:i,s:b,s:b,s:i,s:I}", "file",
                         hb_ctl_text(file), "whole_guest", r->whole_guest, "epochs", (json_int_t)s->epochs,
                         "pages", (json_int_t)s->pages, "records", (json_int_t)s->records, "accesses",
                         (json_int_t)s->accesses, "bytes", (json_int_t)s->bytes, "bytes_per_record",
                         s->records ? (double)s->bytes / (double)s->records : 0.0, "seconds", s->seconds,
                         "exit_status", r->status, "complete", r->complete, "replaced", r->replaced,
                         "processes_not_recorded", (int)r->forks, "lost", (json_int_t)r->lost);
}

int hb_cli_capture(struct hb_cli *c, struct hb_err *e) {
        const char *file = hb_cli_value(c, "output");
        struct shown shown = {.c = c};
        struct hb_capture_result result;
        struct hb_capture_options o = {.path = file,
                                       .argv = c->trailing,
                                       .guest = hb_cli_value(c, "name"),
                                       .plugin = hb_cli_value(c, "plugin"),
                                       .replace = hb_cli_flag(c, "force"),
                                       .stop_fd = c->io->interrupt_fd,
                                       .arg = &shown};
        int r;

        if (!c->trailing || !c->trailing[0])
                return hb_err_set(e, -EINVAL, "--", "harbinger trace record --help", "no command was given");
        r = read_unit(c, &o, e);
        if (r < 0)
                return r;
        if (c->io->err_tty && !c->io->out_tty && !c->json)
                o.progress = progress;
        fflush(c->io->out);
        r = hb_capture_run(&o, &result, e);
        if (shown.open)
                fputs("\r\033[K", c->io->err);
        if (r < 0)
                return r;
        if (!c->json)
                say(c, file, &result);
        else if ((r = hb_cli_print_json(c, as_json(file, &result), e)) < 0)
                return r;
        return result.status;
}
