/* trace verify: is all of it there, and right? */
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "control/ctl.h"
#include "draw/format.h"
#include "look/scan.h"
#include <errno.h>
#include <stdlib.h>

static int tick(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

static json_t *as_json(const struct hb_trace_info *i, const struct hb_scan *s, bool sound) {
        json_t *damage = json_array();

        for (uint64_t k = 0; k < s->damaged && k < HB_SCAN_DAMAGE; k++)
                json_array_append_new(damage, hb_ctl_text(s->damage[k]));
        return json_pack("{s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:o}", "sound", sound, "ended", i->indexed, "bytes",
                         (json_int_t)i->bytes, "blocks", (json_int_t)i->blocks, "epochs",
                         (json_int_t)s->epochs, "records", (json_int_t)s->records, "damaged",
                         (json_int_t)s->damaged, "damage", damage);
}

static void say_damage(struct hb_cli *c, const struct hb_scan *s) {
        for (uint64_t k = 0; k < s->damaged && k < HB_SCAN_DAMAGE; k++) {
                fputs("damage: ", c->io->out);
                hb_cli_put(c->io->out, s->damage[k]);
                fputc('\n', c->io->out);
        }
        if (s->damaged > HB_SCAN_DAMAGE)
                fprintf(c->io->out, "and %llu more\n", (unsigned long long)(s->damaged - HB_SCAN_DAMAGE));
}

static int verdict(struct hb_cli *c, const struct hb_trace_info *i, const struct hb_scan *s,
                   struct hb_err *e) {
        const char *file = c->operands[0];
        uint64_t events = 0;
        char num[HB_FMT_SIZE];

        for (int k = 0; k < HB_TRACE_STREAMS; k++)
                events += s->events[k];
        if (s->damaged)
                return hb_err_set(e, -EBADMSG, file,
                                  "harbinger trace repair FILE -o COPY keeps all that is whole",
                                  "the trace is damaged in %llu place%s", (unsigned long long)s->damaged,
                                  s->damaged == 1 ? "" : "s");
        if (!i->indexed)
                return hb_err_set(
                        e, -EUCLEAN, file, "harbinger trace repair FILE -o COPY gives it an end",
                        "the trace has no end: cut short, or still being written; all before is whole "
                        "(%llu blocks, %llu epochs, %llu records)",
                        (unsigned long long)i->blocks, (unsigned long long)s->epochs,
                        (unsigned long long)s->records);
        hb_cli_put(c->io->out, file);
        fprintf(c->io->out, ": sound: %llu blocks, %llu epochs, %llu records, %llu events, %s\n",
                (unsigned long long)i->blocks, (unsigned long long)s->epochs, (unsigned long long)s->records,
                (unsigned long long)events, hb_fmt_bytes((double)i->bytes, num));
        return 0;
}

static int tell(struct hb_cli *c, const hb_trace_reader *r, const struct hb_scan *s, struct hb_err *e) {
        struct hb_trace_info i;
        bool sound;
        int rc;

        hb_trace_reader_info(r, &i);
        sound = i.indexed && !s->damaged;
        if (!c->json) {
                say_damage(c, s);
                return verdict(c, &i, s, e);
        }
        rc = hb_cli_print_json(c, as_json(&i, s, sound), e);
        return rc < 0 || sound ? rc : HB_EXIT_MISMATCH;
}

static int run_verify(struct hb_cli *c, struct hb_err *e) {
        struct hb_scan *s = calloc(1, sizeof(*s));
        hb_trace_reader *reader = NULL;
        struct hb_cli_work w;
        int r = s ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        if (r == 0)
                r = hb_trace_reader_open(c->operands[0], &reader, e);
        if (r == 0) {
                hb_cli_work_begin(&w, c, "verifying");
                r = hb_look_scan(reader, tick, &w, s, e);
                hb_cli_work_end(&w);
        }
        if (r == 0)
                r = tell(c, reader, s, e);
        hb_trace_reader_free(reader);
        free(s);
        return r;
}

const struct hb_cli_command hb_cli_trace_verify = {
        .name = "trace verify",
        .summary = "read the whole of a trace and check all of it",
        .about = "Every block's checksum, every record and event, their order, and what the index says of "
                 "them. Exit code 0: sound, with one line of figures. 7: damaged, or without its end (cut "
                 "short, or still being written). Any other: it could not be read.",
        .examples = {"trace verify vm1.hbt", "trace verify vm1.hbt --json"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .run = run_verify,
};
