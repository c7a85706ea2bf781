/* console: `harbinger console` as a function. Views, keys and prompts over the world; ncurses only in
 * screen.c. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdio.h>

enum hb_console_out { HB_OUT_SCREEN, HB_OUT_PLAIN, HB_OUT_JSON, HB_OUT_CSV };
struct hb_console_options {
        const char *const *sockets; /* NULL ends them; none: the config's, else `socket` */
        const char *socket;         /* the default one */
        const char *config;         /* NULL: the default place */
        const char *view;           /* NULL: the one of last time, else the config's */
        const char *subject;        /* what the view is about; NULL */
        bool control, no_color, utf8;
        const char *program; /* this program, for replays in a process of their own */
        const char *play;    /* a trace to play from the start; NULL */
        bool demo;           /* the shipped one */
        enum hb_console_out out;
        double every_s; /* refresh; 0: 1 */
        unsigned ticks; /* PLAIN, JSON, CSV: so many, then end; 0: PLAIN for ever, others 1 */
        FILE *stream, *err;
        const int *stop_fd; /* readable: end; NULL */
};
/* 0 when left by the user; a negative errno with *e filled. */
int hb_console_run(const struct hb_console_options *o, struct hb_err *e);
