/* screen: the terminal, and the only file that knows ncurses. Shows a surface, gives keys, and leaves the
 * terminal as it was on every way out: return, error, exit(), fatal signals (SIGHUP, SIGTERM, SIGINT,
 * SIGSEGV, SIGABRT ...), and around SIGTSTP.
 *
 * Mouse off unless asked for: the terminal's own selection works. One screen a process; one thread. */
#pragma once
#include "base/err.h"
#include "console/config.h"
#include "draw/glyphs.h"
#include "draw/surface.h"

typedef struct hb_screen hb_screen;
struct hb_screen_options {
        const struct hb_config *config; /* colours, background, theme, mouse */
        bool no_color;                  /* NO_COLOR is set, or --no-color */
};
/* -ENOTTY: input or output is no terminal; -EOPNOTSUPP: TERM cannot move the cursor ("dumb") or is unknown:
 * *e says what to do (--plain). */
int hb_screen_new(const struct hb_screen_options *o, hb_screen **ret, struct hb_err *e);
hb_screen *hb_screen_free(hb_screen *s);
void hb_screen_size(const hb_screen *s, unsigned *ret_width, unsigned *ret_height);
bool hb_screen_utf8(const hb_screen *s);
bool hb_screen_colors(const hb_screen *s);           /* false: letters say it all */
enum hb_glyphs hb_screen_glyphs(const hb_screen *s); /* what config and locale give */
/* Only what changed goes to the terminal. The hardware cursor goes to x, y; -1: hidden. Surface and terminal
 * may differ in size: cut off, blank. */
void hb_screen_show(hb_screen *s, const hb_surface *what, int cursor_x, int cursor_y);
/* The next key that waits, never blocking: HB_KEY_NONE: none. HB_KEY_RESIZE: the size has changed. */
int hb_screen_key(hb_screen *s);
/* Where the last HB_KEY_MOUSE was pressed. The wheel comes as HB_KEY_UP and HB_KEY_DOWN. */
void hb_screen_mouse(const hb_screen *s, unsigned *ret_x, unsigned *ret_y);
int hb_screen_fd(const hb_screen *s);       /* readable: keys wait, or a signal came: ask hb_screen_key. What
                                             * interrupts poll may be a resize: ask it then too */
bool hb_screen_hung_up(const hb_screen *s); /* the terminal is gone (EOF, EIO): end */
/* A signal asked us to end (SIGHUP, SIGINT, SIGTERM, SIGQUIT): leave the loop, put everything away. The third
 * one ends the process by itself. */
bool hb_screen_ended(const hb_screen *s, int *ret_signal);
void hb_screen_redraw(hb_screen *s); /* everything again with the next show */
/* Terminal restored, SIGTSTP to this process and its group, and back when continued; the next key is then
 * HB_KEY_RESIZE. hb_screen_key does the same when SIGTSTP or SIGCONT came from outside. */
void hb_screen_suspend(hb_screen *s);
