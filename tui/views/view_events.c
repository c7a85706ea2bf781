/* view_events: what happened on all hosts, newest last, with what to do next. Rows are known by the world's
 * own number of the event, so a selected one stays while others come.
 *
 * Cost: on a screen the newest RECENT are built, more only while a filter or an old selection wants them: ten
 * thousand events a second leave a key's answer as quick as none. One thread. */
#include "views/common.h"
#include "views/parts.h"
#include <stdlib.h>
#include <string.h>

#define RECENT 500u
#define MARGIN 50u /* rows kept older than the selected one */

/* ---- levels ---- */

static const struct {
        const char *word, *shown;
        enum hb_style style;
        char sign;
} levels[] = {
        [HB_EVENT_ERROR] = {"error", "errors", HB_STYLE_BAD, 'x'},
        [HB_EVENT_WARNING] = {"warning", "warnings and errors", HB_STYLE_WARN, '!'},
        [HB_EVENT_NOTICE] = {"notice", "notices, warnings and errors", HB_STYLE_NOTE, '*'},
        [HB_EVENT_INFO] = {"info", "all levels", HB_STYLE_DIM, 'i'},
};
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

/* memory's plane 0, 1, 2, 3: everything, from notice, from warning, errors alone. */
static enum hb_event_level least(const struct hb_view_memory *m) {
        return (enum hb_event_level)(HB_EVENT_INFO - m->plane % LEVELS);
}

/* ---- rows ---- */

static const struct hb_doc_column columns[] = {
        {.key = "time", .title = "time UTC"},
        {.key = "level", .title = "level"},
        {.key = "kind", .title = "kind", .rank = 3},
        {.key = "guest", .title = "guest", .rank = 2},
        {.key = "host", .title = "host", .rank = 1},
        {.key = "text", .title = "what happened", .min = 44, .grow = true},
        {.key = "next", .title = "next step", .rank = 4, .min = 24},
};

/* The other host of the event is in "host"; whose daemon said it is more to the point where it is empty. */
static const char *host_of(const struct hb_view_ctx *c, const struct hb_event_seen *e) {
        return *e->host ? e->host : hb_part_host(c->world, e->seat);
}

static void row(const struct hb_view_ctx *c, hb_doc_table *t, const struct hb_event_seen *e) {
        unsigned level = (unsigned)e->level < LEVELS ? (unsigned)e->level : HB_EVENT_INFO;
        char id[24], at[HB_PART_TEXT];

        snprintf(id, sizeof(id), "e%llu", (unsigned long long)e->number);
        hb_doc_row(t, id);
        hb_doc_cell(t, HB_STYLE_DIM, hb_part_known(e->time), "%s",
                    hb_part_time(e->time, hb_part_now(c->world), at));
        hb_doc_cell(t, levels[level].style, json_string(levels[level].word), "%c %s", levels[level].sign,
                    levels[level].word);
        hb_part_cell(t, HB_STYLE_NORMAL, e->kind);
        hb_part_cell(t, HB_STYLE_NORMAL, e->guest);
        hb_part_cell(t, HB_STYLE_NORMAL, host_of(c, e));
        hb_part_cell(t, level <= HB_EVENT_WARNING ? levels[level].style : HB_STYLE_NORMAL, e->text);
        hb_part_cell(t, HB_STYLE_NORMAL, e->next);
}

static bool numbered(const char *row_id, uint64_t *ret) {
        char *end;

        if (row_id[0] != 'e')
                return false;
        *ret = strtoull(row_id + 1, &end, 10);
        return end > row_id + 1 && !*end;
}

/* How old an event is, by its number: numbers ascend as events come, so halving finds it. */
static size_t age_of(const hb_world *w, uint64_t number) {
        size_t low = 0, high = hb_world_events(w);
        struct hb_event_seen e;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (!hb_world_event(w, mid, &e) || e.number <= number)
                        high = mid;
                else
                        low = mid + 1;
        }
        return low;
}

/* How many of the newest to go through. */
static size_t reach(const struct hb_view_ctx *c) {
        size_t all = hb_world_events(c->world), n = RECENT;
        const struct hb_view_memory *m = c->memory;
        uint64_t number;

        if (!hb_view_on_screen(c) || m->order.filter[0] || m->plane % LEVELS)
                return all;
        if (!m->follow && numbered(m->place.row, &number) && age_of(c->world, number) + MARGIN > n)
                n = age_of(c->world, number) + MARGIN;
        return n < all ? n : all;
}

/* ---- the selected one, in full ---- */

static void selected(const struct hb_view_ctx *c, hb_doc *d, uint64_t newest) {
        struct hb_event_seen e;
        uint64_t number;
        char at[HB_PART_TEXT];
        unsigned level;

        if (c->memory->follow || !numbered(c->memory->place.row, &number))
                number = newest;
        if (!hb_world_event(c->world, age_of(c->world, number), &e) || e.number != number)
                return;
        level = (unsigned)e.level < LEVELS ? (unsigned)e.level : HB_EVENT_INFO;
        hb_doc_note(d, "selected_text", levels[level].style, levels[level].sign, "%s %s %s%s%s%s%s: %s",
                    hb_part_time(e.time, hb_part_now(c->world), at), levels[level].word, e.kind,
                    *e.guest ? " " : "", e.guest, " on ", host_of(c, &e), e.text);
        if (*e.next)
                hb_doc_note(d, "selected_next", HB_STYLE_KEY, '>', "next: %s", e.next);
}

static void say_missed(const struct hb_view_ctx *c, hb_doc *d) {
        uint64_t missed = hb_world_events_missed(c->world);

        if (missed)
                hb_doc_note(d, "missed", HB_STYLE_WARN, '!',
                            "%llu older or skipped events are not here; the daemons' log has them: "
                            "journalctl -u harbingerd",
                            (unsigned long long)missed);
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        size_t all = hb_world_events(c->world), n = reach(c);
        enum hb_event_level from = least(c->memory);
        struct hb_event_seen e;
        char empty[120], key[HB_PART_TEXT];
        uint64_t newest = 0;
        hb_doc_table *t;

        if (!c->memory->place.row[0]) /* nobody has chosen one yet: the newest is what is wanted */
                c->memory->follow = true;
        if (n < all)
                hb_doc_subject(d, "%s, the newest %zu of %zu", levels[from].shown, n, all);
        else
                hb_doc_subject(d, "%s, of %zu", levels[from].shown, all);
        hb_view_seat_note(d, c->world);
        say_missed(c, d);
        if (all)
                snprintf(empty, sizeof(empty), "nothing of this level among %zu events; %s goes on to all",
                         all, hb_part_key(c, HB_DO_PLANE, key));
        else
                snprintf(empty, sizeof(empty), "nothing has happened yet");
        t = hb_doc_table_new(d, "events", NULL, columns, sizeof(columns) / sizeof(columns[0]), true, empty);
        for (size_t i = n; i-- > 0;) {
                if (!hb_world_event(c->world, i, &e) || e.level > from)
                        continue;
                row(c, t, &e);
                newest = e.number;
        }
        selected(c, d, newest);
        return 0;
}

/* ---- keys ---- */

static bool event_at(const hb_world *w, const char *row_id, struct hb_event_seen *ret) {
        uint64_t number;

        return numbered(row_id, &number) && hb_world_event(w, age_of(w, number), ret) &&
               ret->number == number;
}

/* Looking closer goes to where the matter can be dealt with. */
static int open_event(struct hb_view_ctx *c, const char *row_id, struct hb_order *ret) {
        static const struct {
                const char *kind;
                enum hb_view_id view;
        } views[] = {{"guest", HB_VIEW_GUEST},         {"placement", HB_VIEW_PLACEMENT},
                     {"migration", HB_VIEW_MIGRATION}, {"policy", HB_VIEW_POLICIES},
                     {"trace", HB_VIEW_TRACES},        {"network", HB_VIEW_NETWORK},
                     {"daemon", HB_VIEW_OVERVIEW}};
        struct hb_event_seen e;

        if (!event_at(c->world, row_id, &e))
                return 0;
        for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++)
                if (strcmp(views[i].kind, e.kind) == 0)
                        return hb_order_go(ret, views[i].view,
                                           views[i].view == HB_VIEW_GUEST ||
                                                           views[i].view == HB_VIEW_PLACEMENT ||
                                                           views[i].view == HB_VIEW_MIGRATION
                                                   ? e.guest
                                                   : "");
        return 0;
}

static int go_guest(struct hb_view_ctx *c, const char *row_id, enum hb_view_id view, struct hb_order *ret) {
        struct hb_event_seen e;

        return event_at(c->world, row_id, &e) && *e.guest ? hb_order_go(ret, view, e.guest) : 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row_id, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        switch (a) {
        case HB_DO_PLANE:
                c->memory->plane = (c->memory->plane + 1) % LEVELS;
                ret->kind = HB_ORDER_DONE;
                return 0;
        case HB_DO_OPEN:
                return open_event(c, row_id, ret);
        case HB_DO_VIEW_GUEST:
                return go_guest(c, row_id, HB_VIEW_GUEST, ret);
        case HB_DO_VIEW_PLACEMENT:
                return go_guest(c, row_id, HB_VIEW_PLACEMENT, ret);
        case HB_DO_VIEW_MIGRATION:
                return go_guest(c, row_id, HB_VIEW_MIGRATION, ret);
        default:
                return 0;
        }
}

const struct hb_view hb_view_events = {
        .name = "events",
        .title = "events",
        .key = HB_DO_VIEW_EVENTS,
        .build = build,
        .act = act,
        .hints = {HB_DO_OPEN, HB_DO_PLANE, HB_DO_FOLLOW, HB_DO_NONE},
};
