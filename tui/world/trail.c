/* trail: the last minutes of each guest's figures, for sparklines. A trail follows the ticks of one seat: the
 * one the guest runs on, or the one it comes to while only that one speaks. When a guest moves, its trail
 * goes with it: a guest without a trail of its own takes one of its name that nobody claims any more.
 *
 * Memory: about 10 KB a guest, given back TRAIL_KEEP_S after it was seen last. */
#include "base/fault.h"
#include "world/world_priv.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void hb_world_trails_fini(struct trails *t) {
        for (unsigned i = 0; i < t->slots; i++)
                free(t->slot[i]);
}

/* ---- points ---- */

static void push(struct trail *t, const double v[HB_TRAIL_FIGURES]) {
        for (unsigned f = 0; f < HB_TRAIL_FIGURES; f++)
                t->v[f][t->head] = (float)v[f];
        t->head = (t->head + 1) % HB_TRAIL_POINTS;
        if (t->count < HB_TRAIL_POINTS)
                t->count++;
}

static double first_known(double a, double b) {
        return isnan(a) ? b : a;
}

/* -1 stands for unknown in what daemons say. */
static double not_negative(double v) {
        return v < 0 ? NAN : v;
}

static double share(const json_t *o) {
        double all = hb_world_real(o, "resident_pages"), v = hb_world_real(o, "fresh_pages") / all;

        return all > 0 && v >= 0 ? (v > 1 ? 1 : v) : NAN;
}

static double wasted_rate(struct trail *t, double wasted, double time) {
        double rate = (wasted - t->wasted) / (time - t->wasted_time);
        bool fits = t->count > 0 && time > t->wasted_time && wasted >= t->wasted;

        t->wasted = wasted;
        t->wasted_time = time;
        return fits ? rate : NAN;
}

static void take_point(const hb_world *w, struct trail *t, const struct hb_guest_seen *s) {
        const json_t *p = hb_world_object(s->guest, "placement"), *in = s->incoming;
        const struct seat *seat = w->seats[t->seat];
        double time = isnan(seat->tick_time) ? (double)seat->pub.heard_ns / 1e9 : seat->tick_time;
        double v[HB_TRAIL_FIGURES];

        v[HB_TRAIL_DIRTY] = first_known(hb_world_real(s->guest, "dirty_bytes_per_s"),
                                        hb_world_real(p, "dirty_bytes_per_s"));
        v[HB_TRAIL_RATE] = hb_world_real(p, "rate_bytes_per_s");
        v[HB_TRAIL_FRESH] = first_known(share(p), share(in));
        v[HB_TRAIL_STALE] = first_known(hb_world_real(p, "stale_pages"), hb_world_real(in, "stale_pages"));
        v[HB_TRAIL_DOWNTIME] = hb_world_real(hb_world_object(p, "estimate"), "downtime_ms");
        v[HB_TRAIL_THRESHOLD] = first_known(hb_world_real(p, "threshold"), hb_world_real(in, "threshold"));
        v[HB_TRAIL_PRECISION] = first_known(not_negative(hb_world_real(p, "precision")),
                                            not_negative(hb_world_real(in, "precision")));
        v[HB_TRAIL_WASTED] = wasted_rate(
                t, first_known(hb_world_real(p, "wasted_pages"), hb_world_real(in, "wasted_pages")), time);
        push(t, v);
}

/* ---- whose is whose ---- */

/* The seat whose ticks give the points. */
static unsigned speaker(const hb_world *w, const struct hb_guest_seen *s) {
        const struct seat *at = hb_world_live(w, s->seat), *to = hb_world_live(w, s->target);

        if (at && (at->pub.state == HB_SEAT_UP || !to || to->pub.state != HB_SEAT_UP))
                return s->seat;
        return to ? s->target : s->seat;
}

static unsigned free_slot(struct trails *t) {
        for (unsigned i = 0; i < t->slots; i++)
                if (!t->slot[i])
                        return i;
        return t->slots < HB_WORLD_GUESTS ? t->slots : NO_TRAIL;
}

/* All of it has memory from the start: what a console takes is known once it knows its guests, and does not
 * creep up for five minutes. */
static void blank(struct trail *t) {
        for (unsigned f = 0; f < HB_TRAIL_FIGURES; f++)
                for (unsigned i = 0; i < HB_TRAIL_POINTS; i++)
                        t->v[f][i] = NAN;
}

/* Keeps by_name sorted: put in at `at`. */
static unsigned begin_trail(struct trails *t, unsigned at, const char *name) {
        unsigned i = free_slot(t);
        struct trail *made = i == NO_TRAIL || hb_fault("world.trail") ? NULL : calloc(1, sizeof(*made));

        if (!made)
                return NO_TRAIL;
        hb_world_copy_text(made->name, sizeof(made->name), name);
        made->seat = HB_NO_SEAT;
        blank(made);
        t->slot[i] = made;
        if (i == t->slots)
                t->slots++;
        memmove(t->by_name + at + 1, t->by_name + at, (t->count - at) * sizeof(*t->by_name));
        t->by_name[at] = i;
        t->count++;
        return i;
}

/* by_name[*from..*ret_end) are this name's. */
static void find_name(const struct trails *t, const char *name, unsigned *from, unsigned *ret_end) {
        while (*from < t->count && strcmp(t->slot[t->by_name[*from]]->name, name) < 0)
                (*from)++;
        for (*ret_end = *from; *ret_end < t->count; (*ret_end)++)
                if (strcmp(t->slot[t->by_name[*ret_end]]->name, name) != 0)
                        return;
}

/* First its own, then any of its name that is free, then a new one. */
static unsigned claim_trail(struct trails *t, unsigned from, unsigned *end, const struct hb_guest_seen *s,
                            unsigned seat, bool any) {
        unsigned made;

        for (unsigned i = from; i < *end; i++) {
                struct trail *x = t->slot[t->by_name[i]];

                if (!x->claimed && (any || x->seat == seat))
                        return t->by_name[i];
        }
        if (!any || t->count == HB_WORLD_GUESTS)
                return NO_TRAIL;
        made = begin_trail(t, *end, s->name);
        *end += made != NO_TRAIL;
        return made;
}

static void follow(const hb_world *w, struct trail *t, const struct hb_guest_seen *s, unsigned seat) {
        if (t->seat != seat) { /* of the new seat, the newest tick is still to be taken */
                t->seat = seat;
                t->points = w->seats[seat]->points - 1;
        }
        t->claimed = true;
        t->claimed_ns = w->now_ns;
        if (t->points == w->seats[seat]->points)
                return;
        t->points = w->seats[seat]->points;
        take_point(w, t, s);
}

static void claim_group(hb_world *w, struct hb_guest_seen *s, unsigned n, unsigned *from) {
        struct trails *t = &w->trails;
        unsigned end;

        find_name(t, s->name, from, &end);
        for (int any = 0; any < 2; any++)
                for (unsigned i = 0; i < n; i++) {
                        unsigned seat = speaker(w, &s[i]);

                        if (any && s[i].trail != NO_TRAIL)
                                continue;
                        s[i].trail = claim_trail(t, *from, &end, &s[i], seat, any);
                        if (s[i].trail != NO_TRAIL)
                                follow(w, t->slot[s[i].trail], &s[i], seat);
                }
        *from = end;
}

static void drop_old(hb_world *w) {
        struct trails *t = &w->trails;
        unsigned kept = 0;

        for (unsigned i = 0; i < t->count; i++) {
                struct trail *x = t->slot[t->by_name[i]];

                if (x->claimed || w->now_ns - x->claimed_ns < TRAIL_KEEP_S * NS_PER_S) {
                        t->by_name[kept++] = t->by_name[i];
                } else {
                        t->slot[t->by_name[i]] = NULL;
                        free(x);
                }
        }
        t->count = kept;
}

void hb_world_trails_claim(hb_world *w) {
        struct guests *g = &w->guests;
        unsigned from = 0;

        for (unsigned i = 0; i < w->trails.count; i++)
                w->trails.slot[w->trails.by_name[i]]->claimed = false;
        for (unsigned i = 0, end; i < g->count; i = end) {
                for (end = i + 1; end < g->count && strcmp(g->seen[end].name, g->seen[i].name) == 0; end++)
                        ;
                claim_group(w, g->seen + i, end - i, &from);
        }
        drop_old(w);
}

void hb_world_trails_blank(hb_world *w) {
        double v[HB_TRAIL_FIGURES];

        for (unsigned f = 0; f < HB_TRAIL_FIGURES; f++)
                v[f] = NAN;
        hb_world_guests_refresh(w);
        for (unsigned i = 0; i < w->trails.count; i++) {
                struct trail *t = w->trails.slot[w->trails.by_name[i]];
                const struct seat *s = hb_world_live(w, t->seat);

                if (t->claimed && s && s->pub.state != HB_SEAT_UP)
                        push(t, v);
        }
}

size_t hb_world_trail(const hb_world *w, unsigned trail, enum hb_trail_figure f,
                      double ret[HB_TRAIL_POINTS]) {
        const struct trail *t = trail < w->trails.slots ? w->trails.slot[trail] : NULL;

        if (!t || (unsigned)f >= HB_TRAIL_FIGURES)
                return 0;
        for (unsigned i = 0; i < t->count; i++)
                ret[i] = t->v[f][(t->head + HB_TRAIL_POINTS - t->count + i) % HB_TRAIL_POINTS];
        return t->count;
}
