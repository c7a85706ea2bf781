/* view_policies_lists: what lies behind a policy's row: its params, what was done, how it differs, and why a
 * page is fetched. Each asks the daemon for what it needs, only while it is shown. */
#include "views/view_policies.h"
#include <math.h>
#include <string.h>

#define SHOW_AGE_S    5.0
#define HISTORY_AGE_S 5.0
#define DIFF_AGE_S    10.0
#define EXPLAIN_AGE_S 2.0

static void say_waiting(hb_doc *d, const struct hb_err *err, const char *what) {
        if (err && err->code)
                hb_part_error_note(d, "error", what, err);
        else
                hb_doc_note(d, "state", HB_STYLE_DIM, 'i', "asking for it");
}

void hb_policies_way_back(struct hb_policies_look *k, hb_doc *d, const char *what) {
        char key[HB_PART_TEXT];

        hb_doc_note(d, NULL, HB_STYLE_DIM, 0, "%s (%s: back to the policies)", what,
                    hb_part_key(k->c, HB_DO_BACK, key));
}

/* ---- params ---- */

const json_t *hb_policies_shown(struct hb_policies_look *k, const struct hb_err **ret_err) {
        struct hb_policy_row r;
        char spec[96];

        *ret_err = NULL;
        if (!hb_policy_row_parse(k->row, &r) || strcmp(r.place, "file") == 0)
                return NULL;
        return hb_world_detail(k->c->world, k->seat, "policy.show",
                               json_pack("{s:s}", "policy", hb_policy_row_spec(&r, spec)), SHOW_AGE_S,
                               ret_err, NULL);
}

static const struct hb_doc_column param_columns[] = {
        {.key = "param", .title = "param"},
        {.key = "value", .title = "value", .right = true},
        {.key = "default", .title = "default", .right = true, .rank = 1},
        {.key = "min", .title = "from", .right = true},
        {.key = "max", .title = "to", .right = true},
        {.key = "type", .title = "type", .rank = 4},
        {.key = "unit", .title = "unit", .rank = 2},
        {.key = "tuned", .title = "tuned", .rank = 3},
        {.key = "help", .title = "help", .grow = true, .min = 10, .rank = 5},
};

static void param_row(hb_doc_table *t, const json_t *p) {
        static const char *const figures[] = {"value", "default", "min", "max"};
        double value = hb_json_number(p, "value"), initial = hb_json_number(p, "default");
        bool tuned = isfinite(value) && isfinite(initial) && fabs(value - initial) > 1e-9 * fabs(initial);
        char buf[HB_PART_TEXT];

        hb_doc_row(t, hb_json_text(p, "name"));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(p, "name"));
        for (unsigned i = 0; i < 4; i++) {
                double v = hb_json_number(p, figures[i]);

                hb_doc_cell(t, i == 0 && tuned ? HB_STYLE_STRONG : HB_STYLE_NORMAL, hb_part_number(v), "%s",
                            i < 2 && !isfinite(v) ? "-" : hb_part_bound(v, buf));
        }
        hb_part_cell(t, HB_STYLE_DIM, hb_json_text(p, "type"));
        hb_part_cell(t, HB_STYLE_DIM, hb_json_text(p, "unit"));
        hb_doc_cell(t, tuned ? HB_STYLE_NOTE : HB_STYLE_DIM, json_boolean(tuned), tuned ? "yes" : "no");
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(p, "help"));
}

/* Which of the many, how often it was asked, and what it says of itself. */
static void build_card(hb_doc *d, const json_t *v) {
        char name[96], ms[HB_FMT_SIZE], calls[HB_FMT_SIZE], errors[HB_FMT_SIZE], starved[HB_FMT_SIZE];

        hb_doc_field(d, "policy", "policy", HB_STYLE_STRONG, hb_part_member(v, "name"), "%s %s, version %s",
                     hb_json_text(v, "kind"), hb_policy_name(v, name),
                     hb_json_text(v, "version")[0] ? hb_json_text(v, "version") : "unknown");
        hb_part_field_text(d, "policy_hash", "hash", HB_STYLE_DIM, hb_json_text(v, "hash"));
        hb_doc_field(d, "policy_calls", "calls", HB_STYLE_NORMAL, hb_part_member(v, "calls"),
                     "%s, errors %s, starved %s, longest %s", hb_fmt_count(hb_json_number(v, "calls"), calls),
                     hb_fmt_count(hb_json_number(v, "errors"), errors),
                     hb_fmt_count(hb_json_number(v, "starved"), starved),
                     hb_fmt_ms(hb_json_number(v, "max_ms"), ms));
        hb_part_field_as(d, "policy_memory_bytes", "memory", HB_STYLE_NORMAL,
                         hb_json_number(v, "memory_bytes"), hb_fmt_bytes);
        if (hb_json_text(v, "note")[0])
                hb_part_field_text(d, "policy_note", "note", HB_STYLE_NORMAL, hb_json_text(v, "note"));
        if (hb_json_text(v, "last_error")[0])
                hb_part_field_text(d, "policy_last_error", "last error", HB_STYLE_WARN,
                                   hb_json_text(v, "last_error"));
}

static void params_title(struct hb_policies_look *k, const json_t *v, char *buf, size_t size) {
        const json_t *listed;
        struct hb_policy_row r;
        char name[96], key[HB_PART_TEXT];

        hb_policy_row_parse(k->row, &r);
        listed = json_object_get(hb_policies_kind(k, r.kind), r.place);
        snprintf(buf, size, "params of %s %s (%s): %s changes one", r.kind,
                 hb_policy_name(json_is_object(listed) ? listed : v, name), r.place,
                 hb_part_key(k->c, HB_DO_TUNE, key));
}

void hb_policies_build_params(struct hb_policies_look *k, hb_doc *d, bool main) {
        const struct hb_err *err;
        const json_t *v = hb_policies_shown(k, &err), *p;
        struct hb_policy_row r;
        char title[240];
        hb_doc_table *t;
        size_t i;

        if (!v && hb_policy_row_parse(k->row, &r) && strcmp(r.place, "file") == 0) {
                if (main)
                        hb_policies_way_back(
                                k, d,
                                "a file of the folder runs nowhere yet: it has no params before it is "
                                "loaded");
                return;
        }
        if (!v) {
                say_waiting(d, err, "its params cannot be read");
                return;
        }
        if (main) {
                hb_policies_way_back(k, d, "one policy");
                build_card(d, v);
        }
        params_title(k, v, title, sizeof(title));
        t = hb_doc_table_new(d, "params", title, param_columns,
                             sizeof(param_columns) / sizeof(param_columns[0]), main, "it has no params");
        json_array_foreach(json_object_get(v, "params"), i, p) {
                param_row(t, p);
        }
}

/* ---- history ---- */

static const struct hb_doc_column event_columns[] = {
        {.key = "time", .title = "time UTC"},
        {.key = "who", .title = "who", .rank = 1},
        {.key = "op", .title = "what"},
        {.key = "kind", .title = "kind"},
        {.key = "name", .title = "policy"},
        {.key = "hash", .title = "hash", .rank = 4},
        {.key = "guests", .title = "guests", .rank = 3},
        {.key = "result", .title = "result", .rank = 1},
        {.key = "why", .title = "why", .grow = true, .min = 6, .rank = 2},
};

static void event_row(struct hb_policies_look *k, hb_doc_table *t, const json_t *e) {
        const char *op = hb_json_text(e, "op");
        bool bad = strcmp(op, "refused") == 0 || strcmp(op, "failed") == 0 || strcmp(op, "quarantine") == 0;
        char id[160], stamp[HB_PART_TEXT], hash[9], guests[80], name[96];

        snprintf(id, sizeof(id), "%.30s %.16s %.20s %.60s", hb_json_text(e, "time"), op,
                 hb_json_text(e, "kind"), hb_json_text(e, "name"));
        snprintf(hash, sizeof(hash), "%s", hb_json_text(e, "hash"));
        hb_doc_row(t, id);
        hb_doc_cell(t, HB_STYLE_DIM, hb_part_member(e, "time"), "%s",
                    hb_part_stamp(hb_json_text(e, "time"), hb_part_now(k->c->world), stamp));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(e, "who"));
        hb_doc_cell(t, bad ? HB_STYLE_BAD : HB_STYLE_NORMAL, hb_part_string(op), "%s%s", bad ? "x " : "",
                    *op ? op : "-");
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(e, "kind"));
        hb_part_cell(t, HB_STYLE_STRONG, hb_policy_name(e, name));
        hb_part_cell(t, HB_STYLE_DIM, hash);
        hb_part_cell(t, HB_STYLE_NORMAL,
                     hb_part_names(json_object_get(e, "guests"), 3, guests, sizeof(guests)));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(e, "result"));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(e, "why"));
}

void hb_policies_build_history(struct hb_policies_look *k, hb_doc *d) {
        const struct hb_err *err = NULL;
        const json_t *h = hb_world_detail(k->c->world, k->seat, "policy.history",
                                          json_pack("{s:i}", "limit", 200), HISTORY_AGE_S, &err, NULL);
        hb_doc_table *t;
        const json_t *e;
        size_t i;

        hb_policies_way_back(k, d, "what was done to policies here, newest first");
        if (!h) {
                say_waiting(d, err, "the history cannot be read");
                return;
        }
        t = hb_doc_table_new(d, "history", NULL, event_columns,
                             sizeof(event_columns) / sizeof(event_columns[0]), true,
                             "nothing was done to policies here yet");
        json_array_foreach(json_object_get(h, "events"), i, e) {
                event_row(k, t, e);
        }
}

/* ---- diff ---- */

void hb_policies_build_diff(struct hb_policies_look *k, hb_doc *d) {
        const struct hb_err *err = NULL;
        struct hb_policy_row r;
        char spec[96], title[300], a[9], b[9];
        const json_t *x;

        hb_policy_row_parse(k->row, &r);
        x = hb_world_detail(k->c->world, k->seat, "policy.diff",
                            json_pack("{s:s}", "a", hb_policy_row_spec(&r, spec)), DIFF_AGE_S, &err, NULL);
        hb_policies_way_back(k, d,
                             "how two versions differ: lines with - are the first one's, + the second one's");
        if (!x) {
                say_waiting(d, err, "they cannot be held against each other");
                return;
        }
        snprintf(a, sizeof(a), "%s", hb_json_text(x, "a_hash"));
        snprintf(b, sizeof(b), "%s", hb_json_text(x, "b_hash"));
        snprintf(title, sizeof(title), "%.64s (%s) and %.64s (%s)", hb_json_text(x, "a"), a,
                 hb_json_text(x, "b"), b);
        if (hb_part_true(x, "equal"))
                hb_doc_note(d, "equal", HB_STYLE_GOOD, '=', "%s: the same bytes", title);
        else
                hb_doc_text(d, "diff", title, hb_json_text(x, "diff"), true);
}

/* ---- explain ---- */

static const struct hb_doc_column term_columns[] = {
        {.key = "kind", .title = "kind"},
        {.key = "policy", .title = "policy"},
        {.key = "term", .title = "term", .grow = true, .min = 8},
        {.key = "value", .title = "value", .right = true},
};

static void add_if(char *buf, size_t size, const json_t *page, const char *member, const char *words) {
        if (hb_part_true(page, member))
                hb_part_add(buf, size, ", %s", words);
}

static void explain_page(hb_doc *d, const json_t *x) {
        const json_t *p = json_object_get(x, "page");
        char text[240], age[HB_FMT_SIZE], n[HB_FMT_SIZE], rd[HB_PART_TEXT], wr[HB_PART_TEXT];

        snprintf(text, sizeof(text), "%s",
                 hb_json_text(p, "state")[0] ? hb_json_text(p, "state") : "unknown");
        add_if(text, sizeof(text), p, "resident", "in the guest's memory");
        add_if(text, sizeof(text), p, "known", "its bytes are here already");
        add_if(text, sizeof(text), p, "wanted", "wanted");
        add_if(text, sizeof(text), p, "prefetched", "prefetched");
        add_if(text, sizeof(text), p, "used", "used");
        hb_doc_field(d, "page", "page", HB_STYLE_NORMAL, hb_part_member(x, "page"), "%s, fetched %s times",
                     text, hb_fmt_count(hb_json_number(p, "fetches"), n));
        hb_doc_field(d, "heat", "touched", HB_STYLE_NORMAL, hb_part_member(p, "age_s"),
                     "%s%s; %s reads/s, %s writes/s",
                     isfinite(hb_part_share(p, "age_s")) ? hb_fmt_seconds(hb_json_number(p, "age_s"), age)
                                                         : "not yet",
                     isfinite(hb_part_share(p, "age_s")) ? " ago" : "",
                     hb_part_fixed(hb_json_number(p, "read_heat"), 2, rd),
                     hb_part_fixed(hb_json_number(p, "write_heat"), 2, wr));
}

static void explain_score(hb_doc *d, const json_t *x) {
        char a[HB_PART_TEXT], b[HB_PART_TEXT], n[3][HB_FMT_SIZE];
        double score = hb_json_number(x, "score"), cut = hb_json_number(x, "cut");
        const char *than = !isfinite(score - cut) ? "beside" : score >= cut ? ">=" : "<";

        hb_doc_field(d, "predicted", "expected", HB_STYLE_NORMAL, hb_part_member(x, "predicted"),
                     "%s accesses, %s writes", hb_part_fixed(hb_json_number(x, "predicted"), 2, a),
                     hb_part_fixed(hb_json_number(x, "predicted_writes"), 2, b));
        hb_doc_field(d, "score", "score", HB_STYLE_STRONG, hb_part_number(score), "%s %s threshold %s",
                     hb_part_fixed(score, 4, a), than, hb_part_fixed(cut, 4, b));
        hb_doc_field(d, "cut", "rank", HB_STYLE_NORMAL, hb_part_number(cut),
                     "%s of %s candidates are ahead of it, %s are alike",
                     hb_fmt_count(hb_json_number(x, "ahead"), n[0]),
                     hb_fmt_count(hb_json_number(x, "candidates"), n[1]),
                     hb_fmt_count(hb_json_number(x, "alike"), n[2]));
}

static void explain_terms(hb_doc *d, const json_t *x) {
        hb_doc_table *t =
                hb_doc_table_new(d, "terms", "what its score is made of", term_columns,
                                 sizeof(term_columns) / sizeof(term_columns[0]), true, "no terms were told");
        const json_t *term;
        size_t i;

        json_array_foreach(json_object_get(x, "terms"), i, term) {
                const char *kind = hb_json_text(term, "kind"), *name = hb_json_text(term, "name");
                double value = hb_json_number(term, "value");
                char id[96], path[64], buf[HB_PART_TEXT];

                snprintf(id, sizeof(id), "%.24s/%.64s", kind, name);
                snprintf(path, sizeof(path), "policies.%.40s", kind);
                hb_doc_row(t, id);
                hb_part_cell(t, HB_STYLE_NORMAL, kind);
                hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(x, path));
                hb_part_cell(t, HB_STYLE_STRONG, name);
                hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_number(value), "%s",
                            isfinite(value) ? hb_part_bound(value, buf) : "-");
        }
}

void hb_policies_build_explain(struct hb_policies_look *k, hb_doc *d, const struct hb_policies_detail *at) {
        const struct hb_err *err = NULL;
        struct hb_policy_row r;
        bool shadow = hb_policy_row_parse(k->row, &r) && strcmp(r.place, "shadow") == 0;
        const json_t *x = hb_world_detail(
                k->c->world, k->seat, "policy.explain",
                json_pack("{s:s,s:I,s:b}", "guest", at->guest, "gfn", (json_int_t)at->gfn, "shadow", shadow),
                EXPLAIN_AGE_S, &err, NULL);

        hb_policies_way_back(
                k, d, shadow ? "one page, as the shadow sees it" : "one page, as those who decide see it");
        hb_doc_field(d, "gfn", "asked", HB_STYLE_STRONG, json_integer((json_int_t)at->gfn), "page %.0f of %s",
                     at->gfn, at->guest);
        if (!x) {
                say_waiting(d, err, "it cannot be explained");
                return;
        }
        if (hb_json_text(x, "why")[0])
                hb_doc_note(d, "why", HB_STYLE_STRONG, 'i', "%s", hb_json_text(x, "why"));
        explain_page(d, x);
        explain_score(d, x);
        explain_terms(d, x);
}
