/* repl_pages: the questions about pages: one, the first by some column, a range, and the newest fetches.
 * Memory: for `top`, one view a page of a batch; never the whole guest. */
#include "cli/repl_pages.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "draw/format.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE  8192u /* pages looked at together */
#define TOP_MOST 1000u
#define NEVER_S  1e8f /* ages beyond it are the engine's "never" */

static const char *const classes[] = {"prefetch", "drain", "final", "demand"};

static double score_of(unsigned bucket) { /* the middle of a bucket */
        return bucket >= HB_POLICY_BUCKETS ? NAN : (bucket + 0.5) * 2 / HB_POLICY_BUCKETS - 1;
}

static double known_age(float s) {
        return s < NEVER_S ? (double)s : NAN;
}

static int look(struct hb_repl *l, uint64_t gfn, uint64_t n, struct hb_engine_page_view *ret,
                struct hb_err *e) {
        int r = hb_replay_lens_pages(l->lens, gfn, n, ret);

        if (r == -ENODATA)
                return hb_err_set(e, -EINVAL, NULL, "step first", "there is no engine yet");
        if (r < 0)
                return hb_err_set(e, -EINVAL, l->words[0], NULL, "the guest has pages 0 to %llu",
                                  (unsigned long long)(hb_replay_header(l->r)->shape.pages - 1));
        return 0;
}

/* ---- one page ---- */

static void why(struct hb_repl *l, const struct hb_engine_page_view *v, char *buf, size_t size) {
        struct hb_engine_stats s;

        hb_engine_stats(hb_replay_engine(l->r), &s);
        if (!v->resident)
                snprintf(buf, size, "nothing is known to be there on the source");
        else if (v->state == HB_PAGE_FETCHING)
                snprintf(buf, size, "it is on its way");
        else if (v->state == HB_PAGE_FRESH)
                snprintf(buf, size,
                         v->zero   ? "fresh: the source has nothing but zeros there"
                         : v->used ? "fresh, and accessed on the source since it was copied"
                                   : "fresh, not accessed on the source since it was copied");
        else if (s.draining || s.frozen)
                snprintf(buf, size, "everything goes now; its turn comes");
        else if (isnan(v->score))
                snprintf(buf, size, "a candidate; its score is not known");
        else if ((double)v->score >= s.threshold)
                snprintf(buf, size,
                         "a candidate: %.3f is at or above the threshold %.3f; it waits for the link",
                         (double)v->score, s.threshold);
        else
                snprintf(buf, size, "a candidate left alone: %.3f is below the threshold %.3f",
                         (double)v->score, s.threshold);
}

static json_t *columns_json(uint64_t gfn, const struct hb_engine_page_view *v) {
        return json_pack(
                "{s:I,s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "gfn", (json_int_t)gfn,
                "state", hb_page_state_name(v->state), "copy_of_epoch", (json_int_t)v->stamp,
                "written_in_epoch", (json_int_t)v->invalid, "last_access_epoch", (json_int_t)v->last_access,
                "fetches", (json_int_t)v->fetches, "read_heat", hb_repl_real((double)v->read_heat),
                "write_heat", hb_repl_real((double)v->write_heat), "age_s", hb_repl_real(known_age(v->age_s)),
                "version_age_s", hb_repl_real(known_age(v->version_age_s)), "run_length",
                hb_repl_real((double)v->run_length), "bytes_to_send", hb_repl_real((double)v->bytes_to_send),
                "predicted", hb_repl_real((double)v->predicted), "predicted_writes",
                hb_repl_real((double)v->predicted_writes), "score", hb_repl_real((double)v->score));
}

int hb_repl_page(struct hb_repl *l, struct hb_err *e) {
        struct hb_engine_page_view v;
        struct hb_lens_decision d;
        char text[160];
        double gfn;
        json_t *o;
        int r = hb_repl_number(l, 0, -1, 4294967295.0, &gfn, e);

        if (r == 0)
                r = look(l, (uint64_t)gfn, 1, &v, e);
        if (r < 0)
                return r;
        o = columns_json((uint64_t)gfn, &v);
        if (hb_replay_lens_fetched(l->lens, (uint64_t)gfn, &d)) {
                snprintf(text, sizeof(text), "%s after epoch %u, with %u pages from 0x%llx",
                         classes[d.fetch_class], d.epoch, d.pages, (unsigned long long)d.gfn);
                hb_cli_set(o, "last_fetch", json_string(text));
                hb_cli_set(o, "score_then", hb_repl_real(score_of(d.bucket)));
        }
        why(l, &v, text, sizeof(text));
        hb_cli_set(o, "why", json_string(text));
        return hb_repl_tell(l, o, e);
}

/* ---- tables of pages ---- */
static const char *number(double v, int decimals, char *buf) {
        if (isnan(v))
                return "-";
        snprintf(buf, HB_FMT_SIZE, "%.*f", decimals, v);
        return buf;
}

static void row(hb_cli_table *t, uint64_t gfn, const struct hb_engine_page_view *v) {
        char buf[HB_FMT_SIZE];

        snprintf(buf, sizeof(buf), "0x%llx", (unsigned long long)gfn);
        hb_cli_table_cell(t, HB_PLAIN, buf);
        hb_cli_table_cell(t, HB_PLAIN, v->resident ? hb_page_state_name(v->state) : "unknown");
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->read_heat, 3, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->write_heat, 3, buf));
        hb_cli_table_cell(t, HB_PLAIN, number(known_age(v->age_s), 1, buf));
        hb_cli_table_cell(t, HB_PLAIN, number(known_age(v->version_age_s), 1, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->run_length, 0, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->bytes_to_send, 0, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->predicted, 3, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->predicted_writes, 3, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->score, 3, buf));
        hb_cli_table_cell(t, HB_PLAIN, number((double)v->fetches, 0, buf));
}

static int tell_pages(struct hb_repl *l, const uint64_t *gfn, const struct hb_engine_page_view *v, size_t n,
                      struct hb_err *e) {
        static const char *const headings[] = {
                "GFN",    "STATE",      ">READS/s",   ">WRITES/s", ">AGE s",   ">WRITTEN s", ">RUN",
                ">BYTES", ">PREDICTED", ">PR.WRITES", ">SCORE",    ">FETCHES", NULL};
        hb_cli_table *t;
        json_t *list;

        if (l->c->json) {
                list = json_array();
                for (size_t i = 0; i < n; i++)
                        json_array_append_new(list, columns_json(gfn[i], &v[i]));
                return hb_repl_tell(l, json_pack("{s:o}", "pages", list), e);
        }
        t = hb_cli_table_new(headings);
        for (size_t i = 0; i < n; i++)
                row(t, gfn[i], &v[i]);
        hb_cli_table_print(t, l->c);
        return 0;
}

int hb_repl_columns(struct hb_repl *l, struct hb_err *e) {
        struct hb_engine_page_view *v;
        uint64_t first, last, *gfn;
        int r;

        if (l->nwords == 0 || !hb_cli_read_range(l->words[0], &first, &last))
                return hb_err_set(e, -EINVAL, l->nwords ? l->words[0] : NULL,
                                  "for example: columns 0x100-0x10f", "which pages? A-B");
        if (last - first >= TOP_MOST)
                return hb_err_set(e, -EINVAL, l->words[0], NULL, "at most %u pages at once", TOP_MOST);
        v = calloc(last - first + 1, sizeof(*v));
        gfn = calloc(last - first + 1, sizeof(*gfn));
        r = v && gfn ? look(l, first, last - first + 1, v, e)
                     : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (uint64_t i = 0; r == 0 && i <= last - first; i++)
                gfn[i] = first + i;
        if (r == 0)
                r = tell_pages(l, gfn, v, last - first + 1, e);
        free(v);
        free(gfn);
        return r;
}

/* ---- the first by a column ---- */
static double by_predicted(const struct hb_engine_page_view *v) {
        return (double)v->predicted;
}
static double by_writes(const struct hb_engine_page_view *v) {
        return (double)v->predicted_writes;
}
static double by_score(const struct hb_engine_page_view *v) {
        return v->wanted ? (double)v->score : NAN; /* the others are no candidates */
}
static double by_read_heat(const struct hb_engine_page_view *v) {
        return (double)v->read_heat;
}
static double by_write_heat(const struct hb_engine_page_view *v) {
        return (double)v->write_heat;
}
static double by_fetches(const struct hb_engine_page_view *v) {
        return v->fetches;
}
static double by_recent(const struct hb_engine_page_view *v) {
        return -known_age(v->age_s);
}

static const struct by {
        const char *name;
        double (*key)(const struct hb_engine_page_view *v);
} keys[] = {{"predicted", by_predicted}, {"writes", by_writes},         {"score", by_score},
            {"read_heat", by_read_heat}, {"write_heat", by_write_heat}, {"fetches", by_fetches},
            {"recent", by_recent}};

struct top {
        uint64_t gfn[TOP_MOST];
        struct hb_engine_page_view v[TOP_MOST];
        double key[TOP_MOST];
        size_t n, most;
};

/* Into its place; equals keep the order of pages. */
static void offer(struct top *t, uint64_t gfn, const struct hb_engine_page_view *v, double key) {
        size_t at = t->n;

        if (isnan(key) || (t->n == t->most && key <= t->key[t->n - 1]))
                return;
        while (at > 0 && key > t->key[at - 1])
                at--;
        if (t->n < t->most)
                t->n++;
        for (size_t i = t->n - 1; i > at; i--) {
                t->gfn[i] = t->gfn[i - 1];
                t->v[i] = t->v[i - 1];
                t->key[i] = t->key[i - 1];
        }
        t->gfn[at] = gfn;
        t->v[at] = *v;
        t->key[at] = key;
}

static int go_through(struct hb_repl *l, struct top *t, const struct by *by, struct hb_err *e) {
        struct hb_engine_page_view *v = malloc(AT_ONCE * sizeof(*v));
        uint64_t pages = hb_replay_header(l->r)->shape.pages;
        int r = v ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        for (uint64_t g = 0; r == 0 && g < pages; g += AT_ONCE) {
                uint64_t n = pages - g < AT_ONCE ? pages - g : AT_ONCE;

                r = look(l, g, n, v, e);
                for (uint64_t i = 0; r == 0 && i < n; i++)
                        if (v[i].resident)
                                offer(t, g + i, &v[i], by->key(&v[i]));
        }
        free(v);
        return r;
}

static const struct by *find_by(const char *word) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (strcmp(keys[i].name, word) == 0)
                        return &keys[i];
        return NULL;
}

int hb_repl_top(struct hb_repl *l, struct hb_err *e) {
        bool number_first = l->nwords > 0 && l->words[0][0] >= '0' && l->words[0][0] <= '9';
        const char *word = l->nwords == 2                    ? l->words[1]
                           : l->nwords == 1 && !number_first ? l->words[0]
                                                             : "predicted";
        const struct by *by = find_by(word);
        struct top *t;
        double n = 20;
        int r = by ? 0 : hb_err_set(e, -EINVAL, word, "help lists the columns", "no such column");

        if (r == 0 && (number_first || l->nwords == 2))
                r = hb_repl_number(l, 0, 20, TOP_MOST, &n, e);
        if (r < 0)
                return r;
        t = calloc(1, sizeof(*t));
        if (!t)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        t->most = (size_t)n;
        r = t->most ? go_through(l, t, by, e) : 0;
        if (r == 0)
                r = tell_pages(l, t->gfn, t->v, t->n, e);
        free(t);
        return r;
}

/* ---- fetches ---- */
static json_t *decisions_json(struct hb_repl *l, unsigned n) {
        struct hb_lens_decision d;
        json_t *list = json_array();

        for (unsigned i = 0; i < n && hb_replay_lens_decision(l->lens, i, &d); i++)
                json_array_append_new(list, json_pack("{s:I,s:I,s:I,s:s,s:o}", "after_epoch",
                                                      (json_int_t)d.epoch, "gfn", (json_int_t)d.gfn, "pages",
                                                      (json_int_t)d.pages, "class", classes[d.fetch_class],
                                                      "score", hb_repl_real(score_of(d.bucket))));
        return json_pack("{s:o}", "decisions", list);
}

int hb_repl_decisions(struct hb_repl *l, struct hb_err *e) {
        static const char *const headings[] = {">AFTER EPOCH", "GFN",          ">PAGES",
                                               "CLASS",        ">SCORE ABOUT", NULL};
        struct hb_lens_decision d;
        char buf[HB_FMT_SIZE];
        hb_cli_table *t;
        double n;
        int r = hb_repl_number(l, 0, 20, HB_LENS_DECISIONS, &n, e);

        if (r < 0)
                return r;
        if (l->c->json)
                return hb_repl_tell(l, decisions_json(l, (unsigned)n), e);
        t = hb_cli_table_new(headings);
        for (unsigned i = 0; i < (unsigned)n && hb_replay_lens_decision(l->lens, i, &d); i++) {
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count(d.epoch, buf));
                snprintf(buf, sizeof(buf), "0x%llx", (unsigned long long)d.gfn);
                hb_cli_table_cell(t, HB_PLAIN, buf);
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count(d.pages, buf));
                hb_cli_table_cell(t, HB_PLAIN, classes[d.fetch_class]);
                hb_cli_table_cell(t, HB_PLAIN, number(score_of(d.bucket), 2, buf));
        }
        if (!hb_replay_lens_decision(l->lens, 0, &d))
                hb_cli_say(l->c, "nothing was fetched since epoch %u, where the questions began", l->began);
        hb_cli_table_print(t, l->c);
        return 0;
}
