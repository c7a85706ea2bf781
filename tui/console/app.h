/* app: the console between its files. Internal to the room.
 *
 *   console.c   made, unmade; screen or lines
 *   loop.c      waits for keys, daemons and time; draws at most as often as asked
 *   frame.c     one picture; frame_lines.c its title, prompt or message, hints
 *   keys.c      what an action does: moves, looks, goes; the rest is the view's
 *   order.c     what views want done: questions, confirmations, calls, their progress and end
 *   prompt.c    one line of typing
 *   undo.c      what the views looked like before
 *   keep.c      screen, JSON and CSV into files
 *   state.c     what is remembered until the next time
 *   player.c    replays in processes of their own
 *   pace.c      looks less often where looking costs too much
 *   lines.c     --plain, --json, --csv: the same without a screen */
#pragma once
#include "console/console.h"
#include "console/prompt.h"
#include "console/screen.h"
#include "draw/paint.h"
#include "views/view.h"
#include <time.h>

#define HB_APP_UNDO    64u
#define HB_APP_ORDERS  16u
#define HB_APP_PLAYERS 4u
#define HB_APP_SECOND  1000000000ll

struct hb_app_look { /* what can be undone */
        enum hb_view_id view;
        struct hb_view_memory memory; /* of that view */
};

struct hb_app_order { /* sent, not answered */
        int number;   /* of the world; 0: free */
        unsigned seat;
        char text[320];
};

struct hb_app_player { /* a replay's process */
        int pid, stdin_fd, stderr_fd;
        char dir[128], trace[256], said[256];
        unsigned seats[2];
};

struct hb_app {
        const struct hb_console_options *o;
        struct hb_config *config;
        hb_world *world;
        hb_screen *screen;   /* NULL: lines */
        hb_surface *surface; /* of the screen's size */
        hb_doc *doc;         /* of the present view */
        struct hb_paint_result painted;
        enum hb_view_id view;
        struct hb_view_memory memory[HB_VIEWS];
        enum hb_glyphs glyphs;
        bool utf8, control, quit, frozen, dirty;
        uint64_t seats_mark; /* changes when a seat comes, goes, or is heard for the first time */
        int64_t now_ns, frozen_ns, drawn_ns, key_ns, every_ns;

        struct hb_app_look undo[HB_APP_UNDO];
        unsigned nundo;

        struct hb_prompt prompt;
        enum hb_action asked; /* the action whose question stands */
        char row[160];        /* the row it was asked for: what moves under the prompt does not change it */
        char answers[HB_ANSWERS][160];
        unsigned nanswers;
        struct hb_order confirming; /* a CALL that waits for its confirmation */
        char filter_before[96];

        struct hb_app_order orders[HB_APP_ORDERS];
        char message[512];
        enum hb_style message_style;
        int64_t message_until_ns; /* the next key takes it away; so does this moment, unless 0 */

        struct hb_app_player players[HB_APP_PLAYERS];
        struct hb_err failed;        /* code 0: nothing; otherwise why there is nothing left to look at */
        double cpu_share, rss_bytes; /* own cost */
        int64_t cost_ns, cost_cpu_ns;
        struct hb_app_pace {
                unsigned every, factor; /* as asked for; times so many now */
                int64_t every_ns;       /* as asked for */
                unsigned over, under;   /* looks in a row at a cost above the bound; well below it */
        } pace;
};

/* ---- frame.c ---- */
const struct hb_view *hb_app_view(const struct hb_app *a);
struct hb_view_memory *hb_app_memory(struct hb_app *a);
void hb_app_context(struct hb_app *a, struct hb_view_ctx *ret);
void hb_app_build(struct hb_app *a); /* a new doc, unless frozen and there is one */
void hb_app_arrange(struct hb_app *a);
void hb_app_draw(struct hb_app *a);
void hb_app_say(struct hb_app *a, enum hb_style style, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void hb_app_say_err(struct hb_app *a, const char *doing, const struct hb_err *e);
/* frame_lines.c: each on line y of the surface, w wide */
void hb_app_title(struct hb_app *a, unsigned w);
void hb_app_hints(struct hb_app *a, unsigned w, unsigned y);
unsigned hb_app_prompt_line(struct hb_app *a, unsigned w, unsigned y); /* the cursor's column */
void hb_app_confirm_box(struct hb_app *a, unsigned w, unsigned y);     /* the question, above line y */
void hb_app_message_line(struct hb_app *a, unsigned w, unsigned y);
bool hb_app_cost(struct hb_app *a); /* true: there is a new figure */

/* ---- keys.c ---- */
void hb_app_key(struct hb_app *a, int key);
void hb_app_act(struct hb_app *a, enum hb_action action);
void hb_app_go(struct hb_app *a, enum hb_view_id view, const char *subject); /* NULL: as it was */

/* ---- order.c ---- */
bool hb_app_view_act(struct hb_app *a, enum hb_action action); /* false: it means nothing there */
void hb_app_answer(struct hb_app *a, const char *text);        /* Enter at the prompt */
void hb_app_cancel(struct hb_app *a);                          /* Esc at the prompt */
unsigned hb_app_under_way(const struct hb_app *a);

/* ---- undo.c ---- */
void hb_app_remember(struct hb_app *a);
bool hb_app_undo(struct hb_app *a);
bool hb_app_back(struct hb_app *a);

/* ---- keep.c ---- */
void hb_app_keep(struct hb_app *a, enum hb_action what);

/* ---- state.c ---- */
/* Never an error: without a readable state everything is as the config says. */
void hb_app_state_load(struct hb_app *a);
int hb_app_state_save(const struct hb_app *a, struct hb_err *e);

/* ---- player.c ---- */
int hb_app_play(struct hb_app *a, const char *trace /* NULL: the shipped ones */, struct hb_err *e);
void hb_app_players_watch(struct hb_app *a); /* says so when one has ended */
void hb_app_players_end(struct hb_app *a);

/* ---- pace.c ---- */
#define HB_APP_COST    0.01 /* of a core; above it the console looks less often */
#define HB_APP_SLOWEST 4u
/* Pure: what the factor should be after a look at the cost. `busy`: somebody is at the keys, who is not to
 * wait. */
unsigned hb_app_pace_next(struct hb_app_pace *p, double cpu_share, bool busy);
void hb_app_pace(struct hb_app *a);

/* ---- loop.c ---- */
int64_t hb_app_clock(void);
/* Waits at most timeout_ms for anything; pumps the world. Returns whether anything changed. stdin_fd -1:
 * not looked at; *ret_input (NULL allowed): it is readable. */
bool hb_app_wait(struct hb_app *a, int stdin_fd, int timeout_ms, bool *ret_input);
int hb_app_loop(struct hb_app *a, struct hb_err *e);

/* ---- lines.c ---- */
int hb_app_lines(struct hb_app *a, struct hb_err *e);
