/* trace info: what a trace is and holds. The head and the index are told at once; marks, sums and damage need
 * the whole file, which is read unless --quick. */
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "control/ctl.h"
#include "draw/format.h"
#include "look/scan.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct view {
        const struct hb_trace_header *h;
        struct hb_trace_info i;
        const struct hb_scan *s; /* NULL: --quick */
        const char *file;
};

static int tick(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

/* ---- words ---- */
static const char *meaning(uint32_t flags, char *buf, size_t size) {
        const char *reads = flags & HB_TRACE_NO_READS      ? "no reads"
                            : flags & HB_TRACE_EXACT_READS ? "every read"
                                                           : "sampled reads";

        snprintf(buf, size, "%s, %s, %s", reads,
                 flags & HB_TRACE_EXACT_WRITES ? "every write" : "sampled writes",
                 !(flags & HB_TRACE_COUNTS) ? "seen or not in each epoch"
                 : flags & HB_TRACE_ROUNDED ? "counted, large counts rounded"
                                            : "counted");
        return buf;
}

/* From the beginning of the first epoch; the index alone knows only from the first item. */
static double seconds(const struct view *v) {
        if (v->s)
                return v->s->epochs ? (double)(v->s->last_ns - v->s->first_ns + v->h->epoch_ns) / 1e9 : 0;
        return (double)(v->i.last_ns - v->i.first_ns) / 1e9;
}

static double bytes_a_record(const struct view *v) {
        return v->i.records ? (double)v->i.bytes / (double)v->i.records : NAN;
}

static const char *const kinds[] = {"predictor", "scorer", "threshold"};

/* ---- as text ---- */
static void show_head(struct hb_cli *c, const struct view *v) {
        const struct hb_trace_header *h = v->h;
        char text[300], num[2][HB_FMT_SIZE];

        hb_cli_field(c, "file", v->file);
        hb_cli_field(c, "guest", h->guest);
        hb_cli_field(c, "host", h->host);
        hb_cli_field(c, "origin", hb_trace_origin_name(h->origin));
        hb_cli_field(c, "accesses", meaning(h->flags, text, sizeof(text)));
        hb_cli_field(c, "anonymized", h->flags & HB_TRACE_ANONYMIZED ? "yes" : "");
        hb_cli_field(c, "began", hb_cli_unix_time(h->begins_unix_ns, text));
        if (h->part)
                hb_cli_field(c, "part", hb_fmt_count(h->part, num[0]));
        hb_cli_field(c, "note", h->note);
        snprintf(text, sizeof(text), "%llu (%s)", (unsigned long long)h->shape.pages,
                 hb_fmt_bytes((double)h->shape.pages * h->page_size, num[0]));
        hb_cli_field(c, "pages", text);
        for (uint32_t i = 0; i < h->shape.nregions; i++) {
                const struct hb_region *r = &h->shape.regions[i];

                snprintf(text, sizeof(text), "%s 0x%llx-0x%llx (%s)", r->name,
                         (unsigned long long)r->first_gfn, (unsigned long long)(r->first_gfn + r->pages - 1),
                         hb_fmt_bytes((double)r->pages * h->page_size, num[0]));
                hb_cli_field(c, i ? "" : "regions", text);
        }
}

static void show_size(struct hb_cli *c, const struct view *v) {
        const struct hb_trace_info *i = &v->i;
        char text[300], num[3][HB_FMT_SIZE];

        if (i->epochs)
                snprintf(text, sizeof(text), "%llu, %u to %u, of %s each", (unsigned long long)i->epochs,
                         i->first_epoch, i->last_epoch, hb_fmt_seconds((double)v->h->epoch_ns / 1e9, num[0]));
        else
                snprintf(text, sizeof(text), "none");
        hb_cli_field(c, "epochs", text);
        hb_cli_field(c, "time", hb_fmt_seconds(seconds(v), num[0]));
        hb_cli_field(c, "records", hb_fmt_count((double)i->records, num[0]));
        snprintf(text, sizeof(text), "%s in %llu blocks", hb_fmt_bytes((double)i->bytes, num[0]),
                 (unsigned long long)i->blocks);
        if (i->records)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %.2f bytes a record",
                         bytes_a_record(v));
        hb_cli_field(c, "size", text);
        hb_cli_field(c, "ended", i->indexed ? "yes" : "no: cut short, or still being written");
}

static void show_scan(struct hb_cli *c, const struct view *v) {
        const struct hb_scan *s = v->s;
        char text[300], num[2][HB_FMT_SIZE];

        snprintf(text, sizeof(text), "%llu pages (%s), %llu of them written", (unsigned long long)s->pages,
                 hb_fmt_bytes((double)s->pages * v->h->page_size, num[0]),
                 (unsigned long long)s->written_pages);
        hb_cli_field(c, "touched", text);
        snprintf(text, sizeof(text),
                 v->h->flags & HB_TRACE_COUNTS ? "%llu reads, %llu writes"
                                               : "%llu pages read, %llu written, over epochs",
                 (unsigned long long)s->reads, (unsigned long long)s->writes);
        hb_cli_field(c, "sums", text);
        if (s->missing) {
                snprintf(text, sizeof(text), "%llu epoch numbers are left out",
                         (unsigned long long)s->missing);
                hb_cli_field(c, "gaps", text);
        }
        if (s->dropped) {
                snprintf(text, sizeof(text), "%llu records the recorder had no room for",
                         (unsigned long long)s->dropped);
                hb_cli_field(c, "dropped", text);
        }
        for (uint64_t k = 0; k < s->damaged && k < HB_SCAN_DAMAGE; k++)
                hb_cli_field(c, k ? "" : "damage", s->damage[k]);
}

static void show_streams(struct hb_cli *c, const struct view *v) {
        static const char *const headings[] = {"STREAM", ">EVENTS", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];

        for (int k = 1; k < HB_TRACE_STREAMS; k++) {
                if (!v->i.events[k])
                        continue;
                hb_cli_table_cell(t, HB_PLAIN, hb_trace_stream_name((enum hb_trace_stream)k));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count((double)v->i.events[k], num));
        }
        hb_cli_table_print(t, c);
}

static void show_policies(struct hb_cli *c, const struct view *v) {
        static const char *const headings[] = {"POLICY", "NAME", "VERSION", "HASH", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);

        for (int k = 0; k < 3; k++) {
                const struct hb_trace_policy *p = &v->h->policies[k];

                if (!p->name[0])
                        continue;
                hb_cli_table_cell(t, HB_PLAIN, kinds[k]);
                hb_cli_table_cell(t, HB_PLAIN, p->name);
                hb_cli_table_cell(t, HB_PLAIN, p->version);
                hb_cli_table_cell(t, HB_PLAIN, p->hash);
        }
        hb_cli_table_print(t, c);
}

static void show_marks(struct hb_cli *c, const struct view *v) {
        static const char *const headings[] = {">TIME", ">AFTER EPOCH", "MARK", ">VALUE", "TEXT", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];

        for (uint64_t k = 0; k < v->s->nmarks && k < HB_SCAN_MARKS; k++) {
                const struct hb_scan_mark *m = &v->s->marks[k];

                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds((double)m->time_ns / 1e9, num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count(m->epoch, num));
                hb_cli_table_cell(
                        t, m->kind == HB_MARK_DROPPED || m->kind == HB_MARK_REPAIRED ? HB_WARN : HB_PLAIN,
                        hb_trace_mark_name(m->kind));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count((double)m->value, num));
                hb_cli_table_cell(t, HB_PLAIN, m->text);
        }
        hb_cli_table_print(t, c);
        if (v->s->nmarks > HB_SCAN_MARKS)
                fprintf(c->io->out, "and %llu marks more\n",
                        (unsigned long long)(v->s->nmarks - HB_SCAN_MARKS));
}

static bool any_policy(const struct hb_trace_header *h) {
        return h->policies[0].name[0] || h->policies[1].name[0] || h->policies[2].name[0];
}

static void show(struct hb_cli *c, const struct view *v) {
        uint64_t events = 0;

        show_head(c, v);
        show_size(c, v);
        if (v->s)
                show_scan(c, v);
        for (int k = 1; k < HB_TRACE_STREAMS; k++)
                events += v->i.events[k];
        if (any_policy(v->h)) {
                fputc('\n', c->io->out);
                show_policies(c, v);
        }
        if (events) {
                fputc('\n', c->io->out);
                show_streams(c, v);
        }
        if (v->s && v->s->nmarks) {
                fputc('\n', c->io->out);
                show_marks(c, v);
        }
}

/* ---- as JSON ---- */
static json_t *regions_json(const struct hb_shape *s) {
        json_t *list = json_array();

        for (uint32_t i = 0; i < s->nregions; i++)
                json_array_append_new(list,
                                      json_pack("{s:o,s:I,s:I,s:I}", "name", hb_ctl_text(s->regions[i].name),
                                                "first_page", (json_int_t)s->regions[i].first_gfn, "pages",
                                                (json_int_t)s->regions[i].pages, "backing_page",
                                                (json_int_t)s->regions[i].backing_page));
        return list;
}

static json_t *policies_json(const struct hb_trace_header *h) {
        json_t *o = json_object();

        for (int k = 0; k < 3; k++)
                if (h->policies[k].name[0])
                        hb_cli_set(o, kinds[k],
                                   json_pack("{s:o,s:o,s:o}", "name", hb_ctl_text(h->policies[k].name),
                                             "version", hb_ctl_text(h->policies[k].version), "hash",
                                             hb_ctl_text(h->policies[k].hash)));
        return o;
}

static json_t *marks_json(const struct hb_scan *s) {
        json_t *list = json_array();

        for (uint64_t k = 0; k < s->nmarks && k < HB_SCAN_MARKS; k++)
                json_array_append_new(list, json_pack("{s:f,s:I,s:s,s:I,s:o}", "time_s",
                                                      (double)s->marks[k].time_ns / 1e9, "after_epoch",
                                                      (json_int_t)s->marks[k].epoch, "mark",
                                                      hb_trace_mark_name(s->marks[k].kind), "value",
                                                      (json_int_t)s->marks[k].value, "text",
                                                      hb_ctl_text(s->marks[k].text)));
        return list;
}

static void add_scan(json_t *o, const struct hb_scan *s) {
        json_t *damage = json_array();

        for (uint64_t k = 0; k < s->damaged && k < HB_SCAN_DAMAGE; k++)
                json_array_append_new(damage, hb_ctl_text(s->damage[k]));
        hb_cli_set(o, "touched_pages", json_integer((json_int_t)s->pages));
        hb_cli_set(o, "written_pages", json_integer((json_int_t)s->written_pages));
        hb_cli_set(o, "reads", json_integer((json_int_t)s->reads));
        hb_cli_set(o, "writes", json_integer((json_int_t)s->writes));
        hb_cli_set(o, "missing_epochs", json_integer((json_int_t)s->missing));
        hb_cli_set(o, "dropped", json_integer((json_int_t)s->dropped));
        hb_cli_set(o, "marks", marks_json(s));
        hb_cli_set(o, "damaged", json_integer((json_int_t)s->damaged));
        hb_cli_set(o, "damage", damage);
}

static json_t *as_json(const struct view *v) {
        const struct hb_trace_header *h = v->h;
        const char *origin = hb_trace_origin_name(h->origin);
        char when[32];
        json_t *events = json_object(), *o;

        for (int k = 1; k < HB_TRACE_STREAMS; k++)
                hb_cli_set(events, hb_trace_stream_name((enum hb_trace_stream)k),
                           json_integer((json_int_t)v->i.events[k]));
        o = json_pack("{s:o,s:o,s:o,s:s,s:o,s:s,s:I,s:I,s:I,s:f,s:I,s:o,s:o,s:o}", "file",
                      hb_ctl_text(v->file), "guest", hb_ctl_text(h->guest), "host", hb_ctl_text(h->host),
                      "origin", origin ? origin : "unknown", "note", hb_ctl_text(h->note), "began",
                      hb_cli_unix_time(h->begins_unix_ns, when), "part", (json_int_t)h->part, "pages",
                      (json_int_t)h->shape.pages, "page_size", (json_int_t)h->page_size, "epoch_s",
                      (double)h->epoch_ns / 1e9, "seed", (json_int_t)h->seed, "regions",
                      regions_json(&h->shape), "policies", policies_json(h), "events", events);
        hb_cli_set(o, "access_counts", json_boolean(h->flags & HB_TRACE_COUNTS));
        hb_cli_set(o, "exact_reads", json_boolean(h->flags & HB_TRACE_EXACT_READS));
        hb_cli_set(o, "has_reads", json_boolean(!(h->flags & HB_TRACE_NO_READS)));
        hb_cli_set(o, "exact_writes", json_boolean(h->flags & HB_TRACE_EXACT_WRITES));
        hb_cli_set(o, "rounded", json_boolean(h->flags & HB_TRACE_ROUNDED));
        hb_cli_set(o, "anonymized", json_boolean(h->flags & HB_TRACE_ANONYMIZED));
        hb_cli_set(o, "epochs", json_integer((json_int_t)v->i.epochs));
        hb_cli_set(o, "first_epoch", json_integer(v->i.first_epoch));
        hb_cli_set(o, "last_epoch", json_integer(v->i.last_epoch));
        hb_cli_set(o, "seconds", json_real(seconds(v)));
        hb_cli_set(o, "records", json_integer((json_int_t)v->i.records));
        hb_cli_set(o, "bytes", json_integer((json_int_t)v->i.bytes));
        hb_cli_set(o, "blocks", json_integer((json_int_t)v->i.blocks));
        hb_cli_set(o, "bytes_per_record", v->i.records ? json_real(bytes_a_record(v)) : json_null());
        hb_cli_set(o, "ended", json_boolean(v->i.indexed));
        if (v->s)
                add_scan(o, v->s);
        return o;
}

/* ---- the command ---- */
static int scan(struct hb_cli *c, hb_trace_reader *r, struct hb_scan *s, struct hb_err *e) {
        struct hb_cli_work w;
        int rc;

        hb_cli_work_begin(&w, c, "reading");
        rc = hb_look_scan(r, tick, &w, s, e);
        hb_cli_work_end(&w);
        return rc;
}

static int run_info(struct hb_cli *c, struct hb_err *e) {
        struct hb_scan *s = hb_cli_flag(c, "quick") ? NULL : calloc(1, sizeof(*s));
        struct view v = {.file = c->operands[0], .s = s};
        hb_trace_reader *reader = NULL;
        int r = hb_trace_reader_open(v.file, &reader, e);

        if (r == 0 && !s && !hb_cli_flag(c, "quick"))
                r = hb_err_set(e, -ENOMEM, NULL, "--quick needs less", "out of memory");
        if (r == 0 && s)
                r = scan(c, reader, s, e);
        if (r == 0) {
                v.h = hb_trace_reader_header(reader);
                hb_trace_reader_info(reader, &v.i);
                if (c->json)
                        r = hb_cli_print_json(c, as_json(&v), e);
                else
                        show(c, &v);
        }
        hb_trace_reader_free(reader);
        free(s);
        return r;
}

const struct hb_cli_command hb_cli_trace_info = {
        .name = "trace info",
        .summary = "tell what a trace is and holds",
        .about =
                "The whole file is read, so that marks, sums and damage are told too; --quick reads the head "
                "and the index alone. Exit code 0 also for a damaged trace that could be looked at: trace "
                "verify is the judge.",
        .examples = {"trace info vm1.hbt", "trace info vm1.hbt --quick --json"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {{"quick", 'q', HB_CLI_FLAG, NULL, false, 0, 0, "only what the head and the index say"}},
        .run = run_info,
};
