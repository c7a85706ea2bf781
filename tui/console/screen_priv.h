/* screen_priv: what the files of the screen share. ncurses is seen by these alone. */
#pragma once
#include "console/screen.h"
#include <ncurses.h>

struct hb_screen_look { /* of one style, as ncurses has it */
        attr_t attributes;
        short pair;
};

struct hb_screen {
        SCREEN *terminal;
        const struct hb_config *config;
        char *locale;                      /* LC_CTYPE as it was */
        int wait_fd;                       /* epoll over the terminal and the signals' eventfd */
        bool utf8, colors, hung_up, again; /* again: the next key is HB_KEY_RESIZE */
        unsigned starved;                  /* times in a row that input waited and no key came */
        enum hb_glyphs glyphs;
        unsigned mouse_x, mouse_y;
        struct hb_screen_look looks[HB_STYLES];
};

/* ---- screen_term.c ---- */
int hb_screen_term_check(struct hb_err *e); /* -EOPNOTSUPP */

/* ---- screen_color.c: after newterm ---- */
void hb_screen_colors_init(hb_screen *s, bool no_color);

/* ---- screen_end.c ---- */
/* Before newterm, which catches only signals that nobody caught. The terminal's modes are kept, as they are
 * now. Returns an eventfd that is readable once a signal came; -EBUSY: there is a screen already. */
int hb_screen_guard(struct hb_err *e);
/* After newterm: its SIGWINCH handler goes on doing what it does, and the eventfd says that it did. */
void hb_screen_guard_resize(void);
/* What leaves the terminal clean, for signal handlers; after newterm and after a change of size. */
void hb_screen_guard_text(bool mouse);
void hb_screen_unguard(void);
/* Deals with signals that stop and continue. True: the screen must be drawn again. */
bool hb_screen_signals(hb_screen *s);
