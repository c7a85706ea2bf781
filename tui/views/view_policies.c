/* view_policies: which policies decide on a host, how good each is beside its baseline, and what to do about
 * it. Asked of the host guests are placed on, since only that one runs them; with several such hosts
 * next-host goes through them. Whatever is wrong stands above the table as a sentence with the key to press.
 *
 * Cost: policy.list at most each 2 s, and what one part needs; nothing while nobody looks. One thread. */
#include "views/view_policies.h"
#include "views/common.h"
#include <math.h>
#include <string.h>

#define LIST_AGE_S    2.0
#define ROOM_FOR_ALL  26u
#define ROOM_FOR_MORE 16u /* lines; on fewer the list is alone, its params and lanes a key away */

/* ---- rows and details ---- */

bool hb_policy_row_parse(const char *row, struct hb_policy_row *ret) {
        const char *slash = strchr(row, '/');
        size_t n = slash ? (size_t)(slash - row) : 0;

        *ret = (struct hb_policy_row){0};
        if (n == 0 || n >= sizeof(ret->kind))
                return false;
        snprintf(ret->kind, sizeof(ret->kind), "%.*s", (int)n, row);
        row = slash + 1;
        n = strcspn(row, "/");
        if (n == 0 || n >= sizeof(ret->place))
                return false;
        snprintf(ret->place, sizeof(ret->place), "%.*s", (int)n, row);
        snprintf(ret->name, sizeof(ret->name), "%s", row[n] == '/' ? row + n + 1 : "");
        return true;
}

const char *hb_policy_row_spec(const struct hb_policy_row *r, char buf[96]) {
        if (strcmp(r->place, "file") == 0)
                snprintf(buf, 96, "%s", r->name);
        else if (strcmp(r->place, "active") == 0)
                snprintf(buf, 96, "%s", r->kind);
        else
                snprintf(buf, 96, "%s@%s", r->kind, r->place);
        return buf;
}

const char *hb_policy_name(const json_t *version, char buf[96]) {
        double number = hb_json_number(version, "number");

        snprintf(buf, 80, "%s", hb_json_text(version, "name"));
        if (buf[0] && number >= 1 && number < 1e9)
                hb_part_add(buf, 96, "@%.0f", number);
        return buf;
}

static const char *const parts[] = {"", "lanes", "params", "history", "diff", "explain"};

void hb_policies_detail_parse(const char *text, struct hb_policies_detail *ret) {
        char part[16] = "";

        *ret = (struct hb_policies_detail){.part = HB_POLICIES_LIST};
        if (sscanf(text, "%15s %87s %63s %lf", part, ret->row, ret->guest, &ret->gfn) < 1)
                return;
        for (unsigned i = 1; i < sizeof(parts) / sizeof(parts[0]); i++)
                if (strcmp(part, parts[i]) == 0)
                        ret->part = (enum hb_policies_part)i;
        if (ret->part == HB_POLICIES_EXPLAIN &&
            (!ret->guest[0] || !(ret->gfn >= 0 && ret->gfn <= UINT32_MAX)))
                ret->part = HB_POLICIES_LIST;
}

void hb_policies_show(struct hb_view_memory *m, enum hb_policies_part part, const char *row) {
        memset(&m->order, 0, sizeof(m->order));
        memset(&m->place, 0, sizeof(m->place));
        memset(m->detail, 0, sizeof(m->detail));
        if (part == HB_POLICIES_LIST)
                snprintf(m->place.row, sizeof(m->place.row), "%s", row);
        else
                snprintf(m->detail, sizeof(m->detail), "%s %s", parts[part], *row ? row : "-");
}

/* ---- which seat, which policy ---- */

/* The host most guests are placed on; without any the first that is up. */
static unsigned choose_seat(const hb_world *w) {
        unsigned best = HB_NO_SEAT;
        size_t most = 0;

        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);
                size_t n = s ? json_array_size(json_object_get(s->tick, "incoming")) : 0;

                if (!s || (best != HB_NO_SEAT && n <= most && hb_world_seat(w, best)->state == HB_SEAT_UP))
                        continue;
                if (best == HB_NO_SEAT || n > most || s->state == HB_SEAT_UP) {
                        best = i;
                        most = n;
                }
        }
        return best;
}

static unsigned seat_of(struct hb_view_ctx *c) {
        uint32_t kept = c->memory->seat;

        if (kept > 0 && kept <= hb_world_seats(c->world) && hb_world_seat(c->world, kept - 1))
                return kept - 1;
        c->memory->seat = 0;
        return choose_seat(c->world);
}

const json_t *hb_policies_kind(const struct hb_policies_look *k, const char *kind) {
        const json_t *j;
        size_t i;

        json_array_foreach(json_object_get(k->list, "kinds"), i, j) {
                if (strcmp(hb_json_text(j, "kind"), kind) == 0)
                        return j;
        }
        return NULL;
}

static void first_row(struct hb_policies_look *k) {
        const json_t *kind = json_array_get(json_object_get(k->list, "kinds"), 0);

        if (hb_json_text(kind, "kind")[0])
                snprintf(k->row, sizeof(k->row), "%.20s/active", hb_json_text(kind, "kind"));
}

void hb_policies_look_at(struct hb_view_ctx *c, struct hb_policies_look *ret) {
        struct hb_policies_detail x;
        struct hb_policy_row r;

        *ret = (struct hb_policies_look){.c = c, .seat = seat_of(c)};
        if (ret->seat == HB_NO_SEAT)
                return;
        ret->list =
                hb_world_detail(c->world, ret->seat, "policy.list", NULL, LIST_AGE_S, &ret->err, &ret->age_s);
        hb_policies_detail_parse(c->memory->detail, &x);
        snprintf(ret->row, sizeof(ret->row), "%.87s",
                 x.part == HB_POLICIES_LIST ? c->memory->place.row : x.row);
        if (!hb_policy_row_parse(ret->row, &r) || !hb_policies_kind(ret, r.kind)) {
                ret->row[0] = '\0';
                first_row(ret);
        }
}

/* ---- the list ---- */

enum {
        KIND,
        PLACE,
        POLICY,
        HASH,
        VALUE,
        F1,
        RETURNING,
        WRITES,
        PRECISION,
        RECALL,
        WASTED,
        COST,
        ERRORS,
        GUESTS,
        VERDICT
};
static const struct hb_doc_column columns[] = {
        [KIND] = {.key = "kind", .title = "kind"},
        [PLACE] = {.key = "place", .title = "place"},
        [POLICY] = {.key = "policy", .title = "policy"},
        [HASH] = {.key = "hash", .title = "hash", .rank = 6},
        [VALUE] = {.key = "value", .title = "value", .right = true, .rank = 1},
        [F1] = {.key = "f1", .title = "F1", .right = true, .rank = 1},
        [RETURNING] = {.key = "f1_returning", .title = "F1 ret", .right = true, .rank = 5},
        [WRITES] = {.key = "f1_writes", .title = "F1 wr", .right = true, .rank = 5},
        [PRECISION] = {.key = "precision", .title = "prec", .right = true, .rank = 4},
        [RECALL] = {.key = "recall", .title = "recall", .right = true, .rank = 4},
        [WASTED] = {.key = "wasted", .title = "wasted", .right = true, .rank = 2},
        [COST] = {.key = "ns_per_page", .title = "ns/page", .right = true, .rank = 4},
        [ERRORS] = {.key = "errors", .title = "errors", .right = true, .rank = 3},
        [GUESTS] = {.key = "guests", .title = "guests", .right = true, .rank = 3},
        [VERDICT] = {.key = "verdict", .title = "beside its baseline", .min = 28, .grow = true},
};

static void figure_cells(struct hb_policies_look *k, hb_doc_table *t, const char *kind, const char *place,
                         const json_t *v) {
        static const char *const figures[] = {"value",     "f1",     "f1_returning", "f1_writes",
                                              "precision", "recall", "wasted"};
        bool judged = strcmp(place, "active") == 0 || strcmp(place, "shadow") == 0;
        double errors = hb_part_share(v, "errors");

        for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
                hb_part_cell_fixed(t, HB_STYLE_NORMAL,
                                   judged ? hb_policies_mean(k->list, kind, place, figures[i]) : NAN, 2);
        hb_part_cell_fixed(t, HB_STYLE_NORMAL, hb_part_share(v, "ns_per_page"), 1);
        hb_part_cell_as(t, errors > 0 ? HB_STYLE_WARN : HB_STYLE_NORMAL, errors, hb_fmt_count);
        if (json_is_array(json_object_get(v, "guests")))
                hb_part_cell_as(t, HB_STYLE_NORMAL, (double)json_array_size(json_object_get(v, "guests")),
                                hb_fmt_count);
        else
                hb_part_cell_as(t, HB_STYLE_NORMAL, NAN, hb_fmt_count);
}

static void verdict_cell(struct hb_policies_look *k, hb_doc_table *t, const json_t *kind, const char *place) {
        size_t quarantined = json_array_size(json_object_get(json_object_get(kind, place), "quarantined"));
        struct hb_policy_verdict v;
        char text[160], line[120];

        if (quarantined) {
                hb_doc_cell(t, HB_STYLE_BAD, json_string("quarantine"), "x in quarantine on %zu guest%s",
                            quarantined, quarantined == 1 ? "" : "s");
                return;
        }
        if (strcmp(place, "previous") == 0) {
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "- was active before");
                return;
        }
        hb_policies_verdict(k->list, hb_json_text(kind, "kind"), place, &v);
        hb_doc_cell(t, hb_verdict_style(v.verdict),
                    v.verdict == HB_VERDICT_NONE
                            ? json_null()
                            : hb_part_string(hb_verdict_text(&v, place, text, sizeof(text))),
                    "%s", hb_verdict_short(&v, line, sizeof(line)));
}

static void place_cell(hb_doc_table *t, const json_t *kind, const char *place) {
        double canary = hb_json_number(kind, "canary");

        if (strcmp(place, "shadow") == 0 && canary > 0)
                hb_doc_cell(t, HB_STYLE_NOTE, json_string("shadow"), "canary");
        else
                hb_part_cell(t, strcmp(place, "active") == 0 ? HB_STYLE_STRONG : HB_STYLE_NORMAL, place);
}

static void place_row(struct hb_policies_look *k, hb_doc_table *t, const json_t *kind, const char *place) {
        const json_t *v = json_object_get(kind, place);
        char id[HB_POLICY_ROW], name[96], hash[9];

        if (!json_is_object(v))
                return;
        snprintf(id, sizeof(id), "%.20s/%s", hb_json_text(kind, "kind"), place);
        snprintf(hash, sizeof(hash), "%s", hb_json_text(v, "hash"));
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(kind, "kind"));
        place_cell(t, kind, place);
        hb_part_cell(t, HB_STYLE_STRONG, hb_policy_name(v, name));
        hb_doc_cell(t, HB_STYLE_DIM, hb_part_member(v, "hash"), "%s", hash);
        figure_cells(k, t, hb_json_text(kind, "kind"), place, v);
        verdict_cell(k, t, kind, place);
}

/* Files of the folder that stand in no place yet. */
static void candidate_rows(struct hb_policies_look *k, hb_doc_table *t, const json_t *kind) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_object_get(kind, "candidates"), i, f) {
                const char *name = hb_json_text(f, "name"), *error = hb_json_text(f, "error");
                char id[HB_POLICY_ROW], hash[9], key[HB_PART_TEXT];

                if (!name[0] || hb_json_text(f, "place")[0])
                        continue;
                snprintf(id, sizeof(id), "%.20s/file/%.60s", hb_json_text(kind, "kind"), name);
                snprintf(hash, sizeof(hash), "%s", hb_json_text(f, "hash"));
                hb_doc_row(t, id);
                hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(kind, "kind"));
                hb_doc_cell(t, HB_STYLE_DIM, json_string("candidate"), "file");
                hb_part_cell(t, HB_STYLE_NORMAL, name);
                hb_doc_cell(t, HB_STYLE_DIM, hb_part_member(f, "hash"), "%s", hash);
                figure_cells(k, t, "", "file", NULL);
                if (error[0])
                        hb_doc_cell(t, HB_STYLE_BAD, hb_part_string(error), "x %s", error);
                else
                        hb_doc_cell(t, HB_STYLE_DIM, json_null(), "- %s loads it as a shadow",
                                    hb_part_key(k->c, HB_DO_LOAD, key));
        }
}

static void build_list(struct hb_policies_look *k, hb_doc *d) {
        static const char *const places[] = {"active", "shadow", "previous"};
        hb_doc_table *t = hb_doc_table_new(d, "policies", NULL, columns, sizeof(columns) / sizeof(columns[0]),
                                           true, "this daemon tells of no policies");
        const json_t *kind;
        size_t i;

        json_array_foreach(json_object_get(k->list, "kinds"), i, kind) {
                for (unsigned p = 0; p < 3; p++)
                        place_row(k, t, kind, places[p]);
                candidate_rows(k, t, kind);
        }
}

/* ---- the doc ---- */

static void say_nothing_yet(struct hb_policies_look *k, hb_doc *d) {
        if (k->seat == HB_NO_SEAT)
                hb_doc_note(d, "state", HB_STYLE_NOTE, 'i',
                            "no daemon is looked at. Next: harbinger console --socket PATH");
        else if (k->err && k->err->code)
                hb_part_error_note(d, "error", "its policies cannot be listed", k->err);
        else
                hb_doc_note(d, "state", HB_STYLE_DIM, 'i', "asking %s for its policies",
                            hb_part_host(k->c->world, k->seat));
}

static void build_part(struct hb_policies_look *k, hb_doc *d) {
        struct hb_policies_detail x;

        hb_policies_detail_parse(k->c->memory->detail, &x);
        switch (x.part) {
        case HB_POLICIES_LANES:
                hb_policies_build_lanes(k, d, true);
                return;
        case HB_POLICIES_PARAMS:
                hb_policies_build_params(k, d, true);
                return;
        case HB_POLICIES_HISTORY:
                hb_policies_build_history(k, d);
                return;
        case HB_POLICIES_DIFF:
                hb_policies_build_diff(k, d);
                return;
        case HB_POLICIES_EXPLAIN:
                hb_policies_build_explain(k, d, &x);
                return;
        case HB_POLICIES_LIST:
                break;
        }
        hb_policies_build_notes(k, d);
        build_list(k, d);
        if (hb_view_on_screen(k->c) && k->c->height < ROOM_FOR_MORE)
                return;
        hb_policies_build_params(k, d, false);
        if (!hb_view_on_screen(k->c) || k->c->height >= ROOM_FOR_ALL)
                hb_policies_build_lanes(k, d, false);
}

static void subject(struct hb_policies_look *k, hb_doc *d) {
        size_t guests = json_array_size(json_object_get(k->list, "guests"));
        const char *host = hb_part_host(k->c->world, k->seat);

        if (k->list)
                hb_doc_subject(d, "host %s, %zu guest%s placed on it", host, guests, guests == 1 ? "" : "s");
        else if (k->seat != HB_NO_SEAT)
                hb_doc_subject(d, "host %s", host);
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        struct hb_policies_look k;

        hb_policies_look_at(c, &k);
        subject(&k, d);
        hb_view_seat_note(d, c->world);
        if (!k.list) {
                say_nothing_yet(&k, d);
                return 0;
        }
        if (k.err && k.err->code)
                hb_part_error_note(d, "error", "what is shown is old", k.err);
        build_part(&k, d);
        return 0;
}

const struct hb_view hb_view_policies = {
        .name = "policies",
        .title = "policies",
        .key = HB_DO_VIEW_POLICIES,
        .build = build,
        .act = hb_policies_act,
        .hints = {HB_DO_LOAD, HB_DO_PROMOTE, HB_DO_ROLLBACK, HB_DO_DROP, HB_DO_TUNE, HB_DO_DIFF,
                  HB_DO_HISTORY, HB_DO_EXPLAIN, HB_DO_OPEN, HB_DO_NEXT_HOST, HB_DO_NONE},
};
