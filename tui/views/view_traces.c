/* view_traces: recordings on all hosts, and the replay that runs. A recording is known by its host and its
 * guest ("a/vm1"), since a host keeps one of each guest; the tick has those under way, trace.list also how
 * the last one of each guest ended. One thread. */
#include "views/view_traces.h"
#include "views/common.h"
#include <math.h>
#include <string.h>

#define LIST_AGE_S 5.0

/* ---- which recordings there are ---- */

/* A real host; a stage records nothing. */
static bool records(const struct hb_seat *s) {
        return s && s->tick && !json_is_object(s->replay);
}

static const json_t *of_guest(const json_t *list, const char *guest) {
        const json_t *r;
        size_t i;

        json_array_foreach(list, i, r) {
                if (strcmp(hb_json_text(r, "guest"), guest) == 0)
                        return r;
        }
        return NULL;
}

static const json_t *ended_ones(struct hb_view_ctx *c, unsigned seat) {
        return json_object_get(hb_world_detail(c->world, seat, "trace.list", NULL, LIST_AGE_S, NULL, NULL),
                               "recordings");
}

static const json_t *ticking_ones(struct hb_view_ctx *c, unsigned seat) {
        return json_object_get(hb_world_seat(c->world, seat)->tick, "recordings");
}

/* "a/vm1": the seat and its recording. False: it is gone. */
static bool find(struct hb_view_ctx *c, const char *row, unsigned *ret_seat, const json_t **ret) {
        const char *slash = strchr(row, '/');
        char host[64];

        if (!slash || (size_t)(slash - row) >= sizeof(host))
                return false;
        snprintf(host, sizeof(host), "%.*s", (int)(slash - row), row);
        *ret_seat = hb_part_seat_of(c->world, host);
        if (*ret_seat == HB_NO_SEAT || !records(hb_world_seat(c->world, *ret_seat)))
                return false;
        *ret = of_guest(ticking_ones(c, *ret_seat), slash + 1);
        if (!*ret)
                *ret = of_guest(ended_ones(c, *ret_seat), slash + 1);
        return *ret != NULL;
}

/* ---- the table ---- */

static const struct hb_doc_column columns[] = {
        {.key = "guest", .title = "guest"},
        {.key = "host", .title = "host"},
        {.key = "side", .title = "side", .rank = 4},
        {.key = "state", .title = "state"},
        {.key = "seconds", .title = "time", .right = true},
        {.key = "bytes", .title = "size", .right = true},
        {.key = "epochs", .title = "epochs", .right = true, .rank = 3},
        {.key = "dropped", .title = "dropped", .right = true, .rank = 2},
        {.key = "exact", .title = "exact", .rank = 5},
        {.key = "files", .title = "files", .right = true, .rank = 6},
        {.key = "file", .title = "file", .rank = 1, .min = 12},
        {.key = "why", .title = "why", .rank = 2, .min = 6, .grow = true},
};

static void state_cell(hb_doc_table *t, const char *state) {
        static const struct {
                const char *name;
                enum hb_style style;
                char sign;
        } looks[] = {{"recording", HB_STYLE_GOOD, '*'},
                     {"waiting", HB_STYLE_NOTE, '~'},
                     {"opening", HB_STYLE_NOTE, '~'},
                     {"ended", HB_STYLE_DIM, '.'},
                     {"failed", HB_STYLE_BAD, 'x'}};
        enum hb_style style = HB_STYLE_NORMAL;
        char sign = '?';

        for (unsigned i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
                if (strcmp(looks[i].name, state) != 0)
                        continue;
                style = looks[i].style;
                sign = looks[i].sign;
        }
        hb_doc_cell(t, style, hb_part_string(state), "%c %s", sign, *state ? state : "unknown");
}

static const char *why_of(const json_t *r) {
        const char *error = hb_json_text(r, "error.what");

        return *error ? error : hb_json_text(r, "why");
}

/* The end of a path says more than its begin. */
static const char *base_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash && slash[1] ? slash + 1 : path;
}

static void row(hb_doc_table *t, const char *host, const json_t *r) {
        double dropped = hb_part_share(r, "dropped");
        bool failed = strcmp(hb_json_text(r, "state"), "failed") == 0;
        const json_t *exact = hb_json_at(r, "exact");
        char id[160];

        snprintf(id, sizeof(id), "%.63s/%.90s", host, hb_json_text(r, "guest"));
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_STRONG, hb_json_text(r, "guest"));
        hb_part_cell(t, HB_STYLE_NORMAL, host);
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(r, "side"));
        state_cell(t, hb_json_text(r, "state"));
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(r, "seconds"), hb_fmt_seconds);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(r, "bytes"), hb_fmt_bytes);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(r, "epochs"), hb_fmt_count);
        if (dropped > 0)
                hb_doc_cell(t, HB_STYLE_WARN, json_real(dropped), "! %.0f", dropped);
        else
                hb_part_cell_as(t, HB_STYLE_NORMAL, dropped, hb_fmt_count);
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_member(r, "exact"), "%s",
                    !json_is_boolean(exact) ? "-"
                    : json_is_true(exact)   ? "yes"
                                            : "no");
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(r, "files"), hb_fmt_count);
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_member(r, "file"), "%s",
                    hb_json_text(r, "file")[0] ? base_of(hb_json_text(r, "file")) : "-");
        hb_part_cell(t, failed ? HB_STYLE_BAD : HB_STYLE_NORMAL, why_of(r));
}

static void host_rows(struct hb_view_ctx *c, hb_doc_table *t, unsigned seat) {
        const json_t *now = ticking_ones(c, seat), *before = ended_ones(c, seat), *r;
        const char *host = hb_part_host(c->world, seat);
        size_t i;

        json_array_foreach(now, i, r) {
                row(t, host, r);
        }
        json_array_foreach(before, i, r) {
                if (!of_guest(now, hb_json_text(r, "guest")))
                        row(t, host, r);
        }
}

/* ---- the selected one ---- */

static void selected(struct hb_view_ctx *c, hb_doc *d) {
        const json_t *r = NULL;
        const char *next;
        unsigned seat;

        if (!c->memory->place.row[0] || !find(c, c->memory->place.row, &seat, &r))
                return;
        hb_doc_heading(d, "the selected recording");
        hb_doc_field(d, "selected_file", "file", HB_STYLE_STRONG, hb_part_member(r, "file"), "%s, on host %s",
                     hb_json_text(r, "file")[0] ? hb_json_text(r, "file") : "none yet",
                     hb_part_host(c->world, seat));
        if (why_of(r)[0])
                hb_part_field_text(d, "selected_why", "why", HB_STYLE_NORMAL, why_of(r));
        next = hb_json_text(r, "error.next");
        if (*next)
                hb_part_field_text(d, "selected_next", "next", HB_STYLE_KEY, next);
        if (hb_part_share(r, "dropped") > 0)
                hb_doc_note(
                        d, NULL, HB_STYLE_WARN, '!',
                        "records were dropped: the disk was too slow for the queue. An exact replay ends at "
                        "the first gap. Next: a faster disk for [trace] dir, or a larger queue_bytes");
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        char record[HB_PART_TEXT], replay[HB_PART_TEXT], empty[200];
        hb_doc_table *t;

        hb_view_seat_note(d, c->world);
        hb_traces_build_replay(c, d);
        snprintf(empty, sizeof(empty), "no recordings; %s records a guest, %s plays a trace file",
                 hb_part_key(c, HB_DO_RECORD, record), hb_part_key(c, HB_DO_REPLAY, replay));
        t = hb_doc_table_new(d, "recordings", NULL, columns, sizeof(columns) / sizeof(columns[0]), true,
                             empty);
        for (unsigned i = 0; i < hb_world_seats(c->world); i++)
                if (records(hb_world_seat(c->world, i)))
                        host_rows(c, t, i);
        selected(c, d);
        return 0;
}

/* ---- keys ---- */

static void guest_choices(struct hb_view_ctx *c, struct hb_order *ret) {
        const struct hb_guest_seen *all;
        unsigned n = hb_world_guests(c->world, &all);

        for (unsigned i = 0; i < n; i++)
                hb_order_choice(ret, all[i].id);
}

static const struct hb_guest_seen *guest_called(struct hb_view_ctx *c, const char *id) {
        const struct hb_guest_seen *all, *g = hb_world_guest(c->world, id);
        unsigned n = hb_world_guests(c->world, &all);

        for (unsigned i = 0; !g && i < n; i++)
                if (strcmp(all[i].name, id) == 0)
                        g = &all[i];
        return g;
}

static int record(struct hb_view_ctx *c, const char *row_id, const char *const *answers, unsigned n,
                  struct hb_order *ret) {
        const char *slash = strchr(row_id, '/');
        const struct hb_guest_seen *all, *g;

        if (!hb_view_may_act(c, ret))
                return 0;
        if (n == 0) {
                g = slash ? guest_called(c, slash + 1) : NULL;
                if (!g && hb_world_guests(c->world, &all) > 0)
                        g = &all[0];
                if (!g)
                        return hb_order_say(ret, "There is no guest to record. Attach one: harbinger guest "
                                                 "attach NAME --qmp SOCKET");
                guest_choices(c, ret);
                return hb_order_ask(ret, g->id, "record which guest?");
        }
        g = guest_called(c, answers[0]);
        if (!g)
                return hb_order_say(ret, "There is no guest %s on the hosts looked at.", answers[0]);
        return hb_view_guest_act(c, HB_DO_RECORD, g, answers + 1, n - 1, ret);
}

static int stop(struct hb_view_ctx *c, const char *row_id, struct hb_order *ret) {
        const json_t *r = NULL;
        const char *state;
        unsigned seat;

        if (!hb_view_may_act(c, ret))
                return 0;
        if (!find(c, row_id, &seat, &r))
                return hb_order_say(ret, "No recording is selected.");
        state = hb_json_text(r, "state");
        if (strcmp(state, "ended") == 0 || strcmp(state, "failed") == 0)
                return hb_order_say(ret, "The recording of %s on %s has %s already.",
                                    hb_json_text(r, "guest"), hb_part_host(c->world, seat), state);
        return hb_order_call(ret, seat, "trace.stop", json_pack("{s:s}", "guest", hb_json_text(r, "guest")),
                             "", "end the recording of %s on %s", hb_json_text(r, "guest"),
                             hb_part_host(c->world, seat));
}

static int replay(struct hb_view_ctx *c, const char *row_id, const char *const *answers, unsigned n,
                  struct hb_order *ret) {
        const json_t *r = NULL;
        unsigned seat;

        if (n == 0) {
                find(c, row_id, &seat, &r);
                return hb_order_ask(ret, hb_json_text(r, "file"), "trace file to play, on this machine");
        }
        if (!answers[0][strspn(answers[0], " ")])
                return hb_order_say(ret, "No file was named: nothing is played.");
        ret->kind = HB_ORDER_PLAY;
        snprintf(ret->subject, sizeof(ret->subject), "%s", answers[0]);
        return 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row_id, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        const char *slash = strchr(row_id, '/');

        switch (a) {
        case HB_DO_RECORD:
                return record(c, row_id, answers, nanswers, ret);
        case HB_DO_STOP:
                return stop(c, row_id, ret);
        case HB_DO_REPLAY:
                return replay(c, row_id, answers, nanswers, ret);
        case HB_DO_OPEN:
        case HB_DO_VIEW_GUEST:
                return slash ? hb_order_go(ret, HB_VIEW_GUEST, slash + 1) : 0;
        case HB_DO_VIEW_PLACEMENT:
                return slash ? hb_order_go(ret, HB_VIEW_PLACEMENT, slash + 1) : 0;
        default:
                return hb_view_replay_act(c, a, answers, nanswers, ret);
        }
}

const struct hb_view hb_view_traces = {
        .name = "traces",
        .title = "traces",
        .key = HB_DO_VIEW_TRACES,
        .build = build,
        .act = act,
        .hints = {HB_DO_RECORD, HB_DO_STOP, HB_DO_REPLAY, HB_DO_PAUSE, HB_DO_STEP, HB_DO_SEEK, HB_DO_FASTER,
                  HB_DO_SLOWER, HB_DO_NONE},
};
