/* view: one screen of the console. A view makes a doc (draw/doc.h) of the world, and says what an action
 * means on the row that is selected. It draws nothing, asks nothing, sends nothing: what is to be done goes
 * back as an order, and the console prompts, confirms and sends.
 *
 * Stateless: what a view remembers (its guest, its zoom) is in struct hb_view_memory, so that it can be
 * undone, kept over a restart and given to --json alike. */
#pragma once
#include "draw/doc_look.h"
#include "draw/glyphs.h"
#include "views/action.h"
#include "world/world.h"

enum hb_view_id {
        HB_VIEW_OVERVIEW,
        HB_VIEW_GUEST,
        HB_VIEW_PLACEMENT,
        HB_VIEW_POLICIES,
        HB_VIEW_MIGRATION,
        HB_VIEW_TRACES,
        HB_VIEW_NETWORK,
        HB_VIEW_EVENTS,
        HB_VIEW_HELP,
        HB_VIEWS
};

/* Plain data: copied, compared with memcmp, written to the state file. */
struct hb_view_memory {
        char subject[160];    /* what it is about: a guest's id, a host; "": the first there is */
        char detail[96];      /* which part: a policy's name, a history, a recording; the view's own */
        uint64_t first, span; /* pages looked at; span 0: all */
        uint32_t cell;        /* the grid's cursor */
        uint32_t plane;       /* which picture */
        uint32_t seat;        /* a host's number + 1; 0: chosen by the view */
        struct hb_doc_order order;
        struct hb_place_memory {
                char row[160];
                uint32_t row_line, scroll, row_index;
        } place; /* as paint.h's hb_place_in_doc */
        bool follow;
};

struct hb_key_help { /* made from the keymap, for the help view and hints */
        enum hb_action action;
        const char *keys; /* "p, F4" */
};

struct hb_view_ctx {
        hb_world *world;
        struct hb_view_memory *memory; /* of this view; a view may correct it to what exists */
        unsigned width, height; /* room for the doc; 0 x 0: not for a screen (--json, --plain): 80 x 24 */
        bool utf8, control;     /* control: orders that change something may be given */
        enum hb_glyphs glyphs;
        const struct hb_key_help *keys;
        unsigned nkeys;
        double own_cpu_share, own_rss_bytes; /* this console's cost; NaN */
};

/* ---- orders ---- */
enum hb_order_kind {
        HB_ORDER_NONE, /* the action means nothing here: the console says so */
        HB_ORDER_DONE, /* the memory was changed, nothing else to do */
        HB_ORDER_SAY,  /* show text */
        HB_ORDER_GO,   /* to `view`, its memory's subject = subject */
        HB_ORDER_ASK,  /* ask `text`; then act is called again with one more answer */
        HB_ORDER_CALL, /* send cmd to seat */
        HB_ORDER_PLAY, /* play the trace file named `subject` in a seat of its own */
};
#define HB_ORDER_CHOICES 64u
struct hb_order {
        enum hb_order_kind kind;
        char text[320]; /* SAY, ASK; CALL: what is going to be done, "move vm1 from a to b: stops it for about
                           30 ms" */
        enum hb_view_id view;
        char subject[256];
        /* ASK */
        char initial[160];                  /* what stands there already */
        char choices[HB_ORDER_CHOICES][64]; /* n > 0: one of these, by completion and arrows */
        unsigned nchoices;
        /* CALL */
        unsigned seat;
        const char *cmd; /* of the control language; static */
        json_t *args;    /* owned by the order */
        /* What must be typed before it is sent: the object's name for what moves or stops a guest; "y": a
         * yes is enough; "": nothing. */
        char confirm[96];
        bool long_running; /* progress is expected: shown in the status line */
};
void hb_order_fini(struct hb_order *o);

#define HB_ANSWERS 4u
struct hb_view {
        const char *name, *title; /* "overview" */
        enum hb_action key;       /* the action that shows it */
        /* Fills the doc; an empty world is said in words, never an error. -ENOMEM. */
        int (*build)(struct hb_view_ctx *c, hb_doc *d);
        /* row: id of the selected row of the main table, "" none. answers: of the ASKs so far. Only changes
         * c->memory and *ret (zeroed before). NULL: no actions of its own. */
        int (*act)(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
                   unsigned nanswers, struct hb_order *ret);
        /* Actions that mean something here, for the hint line; HB_DO_NONE ends them. */
        enum hb_action hints[12];
};
extern const struct hb_view hb_view_overview, hb_view_guest, hb_view_placement, hb_view_policies,
        hb_view_migration, hb_view_traces, hb_view_network, hb_view_events, hb_view_help;
const struct hb_view *hb_view_by_id(enum hb_view_id id);
const struct hb_view *hb_view_by_name(const char *name); /* NULL */

/* ---- for views (common.c) ---- */
/* The guest the memory is about; the first one when it is about none; NULL: there are none. Corrects
 * memory->subject. */
const struct hb_guest_seen *hb_view_guest_of(struct hb_view_ctx *c);
/* "run with --control to do that"; true when orders may be given. */
bool hb_view_may_act(const struct hb_view_ctx *c, struct hb_order *ret);
int hb_order_say(struct hb_order *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hb_order_ask(struct hb_order *o, const char *initial, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void hb_order_choice(struct hb_order *o, const char *choice);
/* args stolen. */
int hb_order_call(struct hb_order *o, unsigned seat, const char *cmd, json_t *args, const char *confirm,
                  const char *fmt, ...) __attribute__((format(printf, 6, 7)));
int hb_order_go(struct hb_order *o, enum hb_view_id view, const char *subject);
/* What every view with a guest answers alike: place, unplace, estimate, migrate, abort, record, stop, and
 * going to the guest's other views. HB_ORDER_NONE for other actions. */
int hb_view_guest_act(struct hb_view_ctx *c, enum hb_action a, const struct hb_guest_seen *g,
                      const char *const *answers, unsigned nanswers, struct hb_order *ret);
/* pause, step, seek, faster, slower: to the seat that plays a trace, the same in every view. */
int hb_view_replay_act(struct hb_view_ctx *c, enum hb_action a, const char *const *answers, unsigned nanswers,
                       struct hb_order *ret);
/* One word, style and sign for how safe a move would be now, from a placement (NULL: none):
 * "ready", "filling", "stalled", "moving", "connecting", "lost", "not placed", "cannot move", "attaching",
 * "gone", "unknown". */
struct hb_readiness {
        const char *word;
        enum hb_style style;
        char sign;     /* '+', '~', '!', 'x', '-' */
        char why[200]; /* a sentence: why it is not ready, or why it stalls; "" when ready */
        double share;  /* fresh of what has to be there, 0..1; NaN */
};
void hb_view_readiness(const struct hb_guest_seen *g, struct hb_readiness *ret);
/* A link's or seat's state line. */
void hb_view_seat_note(hb_doc *d, const hb_world *w); /* a note for each seat that is not up; nothing else */
