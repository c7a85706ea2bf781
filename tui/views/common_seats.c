/* common_seats: the daemons a console looks at, as far as they are not well. Pure. */
#include "views/common.h"
#include <math.h>
#include <string.h>

#define NOTES 3u /* more would push what the view is for off the screen */

const struct hb_seat *hb_view_seat(const hb_world *w, unsigned seat) {
        return seat == HB_NO_SEAT ? NULL : hb_world_seat(w, seat);
}

const char *hb_view_seat_label(const hb_world *w, unsigned seat) {
        const struct hb_seat *s = hb_view_seat(w, seat);

        return s ? s->label : "";
}

double hb_view_age_s(const hb_world *w, int64_t ns) {
        int64_t now = hb_world_now(w);

        return ns > 0 && now >= ns ? (double)(now - ns) / 1e9 : NAN;
}

static void connecting(hb_doc *d, const struct hb_seat *s) {
        if (s->why.code)
                hb_doc_note(d, NULL, HB_STYLE_BAD, 'x', "%s: %s%s%s", s->label, s->why.what,
                            s->why.next[0] ? "; next: " : "", s->why.next);
        else
                hb_doc_note(d, NULL, HB_STYLE_NOTE, '~', "connecting to %s", s->label);
}

static void troubled(hb_doc *d, const hb_world *w, const struct hb_seat *s) {
        char since[HB_FMT_SIZE], age[HB_FMT_SIZE];
        bool lost = s->state == HB_SEAT_LOST;

        hb_doc_note(d, NULL, lost ? HB_STYLE_BAD : HB_STYLE_WARN, lost ? 'x' : '!',
                    "daemon of %s %s since %s%s%s%s%s; its figures here are %s old", s->label,
                    lost ? "lost" : "silent", hb_fmt_seconds(hb_view_age_s(w, s->since_ns), since),
                    s->why.what[0] ? ": " : "", s->why.what, s->why.next[0] ? "; next: " : "", s->why.next,
                    hb_fmt_seconds(hb_view_age_s(w, s->heard_ns), age));
}

void hb_view_seat_note(hb_doc *d, const hb_world *w) {
        unsigned n = 0, seats = 0;

        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);

                if (!s)
                        continue;
                seats++;
                if (s->state == HB_SEAT_UP || n++ >= NOTES)
                        continue;
                if (s->state == HB_SEAT_CONNECTING)
                        connecting(d, s);
                else
                        troubled(d, w, s);
        }
        if (n > NOTES)
                hb_doc_note(d, NULL, HB_STYLE_BAD, 'x',
                            "and %u more daemons are not up: see the network view", n - NOTES);
        if (!seats)
                hb_doc_note(d, NULL, HB_STYLE_WARN, '!',
                            "no daemon is looked at; start with: harbinger console --socket PATH");
}
