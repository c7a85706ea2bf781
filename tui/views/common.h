/* common: what several views say alike, beyond view.h: the figures of a guest's way to its target, why it is
 * not ready and what to do about it, numbers for people. Pure; members of the daemons' objects may be
 * missing, null or -1 ("unknown") everywhere: NaN here, "-" on the screen. */
#pragma once
#include "draw/format.h"
#include "views/parts.h"
#include "views/view.h"

#define HB_VIEW_PAGE 4096.0 /* bytes */

/* ---- values ---- */
double hb_view_known(double v);                           /* negative ("unknown") becomes NaN */
double hb_view_number(const json_t *o, const char *path); /* the same of a member */
bool hb_view_false(const json_t *o, const char *path);    /* says no, rather than nothing */
const char *hb_view_or(const char *s, const char *other); /* other where s is "" */
unsigned hb_view_width(const struct hb_view_ctx *c);      /* 80 x 24 where there is no screen */
unsigned hb_view_height(const struct hb_view_ctx *c);
bool hb_view_on_screen(const struct hb_view_ctx *c);

/* ---- a guest's way to its target ---- */
struct hb_view_figures {
        const json_t *placement; /* as the source says; NULL */
        const json_t *incoming;  /* as the target says; NULL */
        const char *state;       /* "filling"; "" */
        const char *from, *to;   /* host names; "" */
        double fresh, stale, absent, fetching, resident, zero, known, spilled, above; /* pages */
        double left_bytes, dirty, rate;                                               /* bytes, bytes/s */
        double downtime_ms, ready_s, after_bytes; /* estimates; INFINITY: never */
        double share;                             /* fresh of what has to be there */
        const char *trend;                        /* "converging", "stalled", "" */
        double trend_s;
};
void hb_view_figures(const struct hb_guest_seen *g, struct hb_view_figures *ret);
/* "converging", "stalled since 3 min 12 s", "keeps up" of one that is ready, "-". */
const char *hb_view_trend(const struct hb_view_figures *f, char *buf, size_t size);
enum hb_style hb_view_trend_style(const struct hb_view_figures *f);
const char *hb_view_downtime(double ms, char *buf); /* "about 34 ms"; "-"; "no bound" */

/* ---- why ---- */
struct hb_view_cause {
        char why[200];  /* a sentence; "" */
        char next[200]; /* what to do about it; "" */
};
struct hb_view_judged {
        struct hb_readiness ready;
        struct hb_view_cause cause; /* what ready.why is made of */
        struct hb_view_figures f;
};
/* As hb_view_readiness. `w` not NULL: what a daemon that is silent or lost said last does not count: the word
 * is "unknown" then. */
void hb_view_judge(const hb_world *w, const struct hb_guest_seen *g, struct hb_view_judged *ret);
/* Why fetching does not get ahead (common_why.c). */
void hb_view_why_slow(const struct hb_view_figures *f, bool stalled, struct hb_view_cause *ret);
/* A hand-over that has not ended; NULL. */
const json_t *hb_view_moving(const struct hb_guest_seen *g);

/* ---- seats ---- */
/* Shows the rows of one host alone, by a filter of that column: the first, the next ..., then all again. */
int hb_view_next_host(struct hb_view_ctx *c, const char *column, struct hb_order *ret);
const struct hb_seat *hb_view_seat(const hb_world *w, unsigned seat); /* NULL for HB_NO_SEAT too */
const char *hb_view_seat_label(const hb_world *w, unsigned seat);     /* "" */
double hb_view_age_s(const hb_world *w, int64_t ns);                  /* NaN when 0 */
/* What the guest's own note says first in its views: sign, word, why, next. */
void hb_view_verdict(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g);
/* Says in words that there is no guest to show. */
void hb_view_no_guest(struct hb_view_ctx *c, hb_doc *d);
