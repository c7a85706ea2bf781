/* common_why: the sentence an operator needs: why a placement is not ready, and what to do next. The causes
 * are asked in the order in which they rule each other out; the first that holds is said. Pure. */
#include "views/common.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEAR 0.9 /* of a cap or a link: it is what holds the rate back */

__attribute__((format(printf, 3, 4))) static bool say(struct hb_view_cause *c, const char *next,
                                                      const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(c->why, sizeof(c->why), fmt, ap);
        va_end(ap);
        snprintf(c->next, sizeof(c->next), "%s", next);
        return true;
}

/* What the target itself says: no disk, no memory, a spill file in trouble. */
static bool target_troubled(const struct hb_view_figures *f, struct hb_view_cause *c) {
        const char *spill = hb_json_text(f->incoming, "spill.state");
        char num[HB_FMT_SIZE];

        if (hb_part_true(f->incoming, "no_room"))
                return say(c, "free space there, or give another image_dir",
                           "the target's image_dir is full");
        if (strcmp(spill, "full") == 0)
                return say(c, "free space for the spill file, or raise image_ram_bytes",
                           "the target's disk for spilled pages is full: prefetching pauses");
        if (strcmp(spill, "error") == 0 || strcmp(spill, "cannot") == 0)
                return say(c, "see the target's events; raise image_ram_bytes",
                           "the image is above image_ram_bytes and cannot spill to disk");
        if (strcmp(spill, "promoting") == 0)
                return say(c, "", "%s come back from the target's disk first",
                           hb_fmt_bytes(f->spilled * HB_VIEW_PAGE, num));
        return false;
}

static bool held_back(const struct hb_view_figures *f, struct hb_view_cause *c) {
        double cap = hb_view_number(f->placement, "link.cap_bytes_per_s");
        char r[HB_FMT_SIZE], w[HB_FMT_SIZE];
        const char *rate = hb_fmt_rate(f->rate, r);

        if (cap > 0 && f->rate >= NEAR * cap)
                return say(c, "raise [transport] cap_bytes_per_s on the source and reload",
                           "the cap holds the rate at %s while the guest writes %s", rate,
                           hb_fmt_rate(f->dirty, w));
        if (hb_view_number(f->placement, "link.used_share") >= NEAR)
                return say(c, "place fewer guests over this link, or try compression",
                           "the link is full: %s come, the guest writes %s", rate, hb_fmt_rate(f->dirty, w));
        return false;
}

/* "44 GiB of 56 GiB fetched were ..." where that is more than half; else "". */
static bool wasteful(const struct hb_view_figures *f, char buf[120]) {
        double lost = hb_view_number(f->placement, "wasted_pages"),
               pages = hb_view_number(f->placement, "pages");
        char a[HB_FMT_SIZE], b[HB_FMT_SIZE];

        buf[0] = '\0';
        if (!(pages > 0) || !(lost / pages > 0.5))
                return false;
        snprintf(buf, 120, "%s of %s fetched were overwritten before use",
                 hb_fmt_bytes(lost * HB_VIEW_PAGE, a), hb_fmt_bytes(pages * HB_VIEW_PAGE, b));
        return true;
}

/* The rate is not the limit, so it is which pages are chosen, or that nothing is asked for. */
static bool chosen_badly(const struct hb_view_figures *f, struct hb_view_cause *c) {
        char num[HB_FMT_SIZE], w[HB_FMT_SIZE], waste[120];
        bool wastes = wasteful(f, waste);

        if (f->rate >= 0 && f->rate < HB_VIEW_PAGE && f->above > 0)
                return say(c, "look at the target's events and policies",
                           "nothing comes although %s are worth fetching",
                           hb_fmt_bytes(f->above * HB_VIEW_PAGE, num));
        if (f->dirty > f->rate)
                return say(c,
                           wastes ? "try another scorer or threshold as a shadow, or wait for a calmer hour"
                                  : "wait for a calmer hour, speed the link up, or allow more downtime",
                           "the guest writes %s, only %s come%s%s", hb_fmt_rate(f->dirty, w),
                           hb_fmt_rate(f->rate, num), wastes ? ", and " : "", waste);
        if (wastes)
                return say(c, "try another scorer or threshold as a shadow (policies view)", "%s", waste);
        return false;
}

static void on_its_way(const struct hb_view_figures *f, struct hb_view_cause *c) {
        char left[HB_FMT_SIZE], rate[HB_FMT_SIZE], dirty[HB_FMT_SIZE], in[HB_FMT_SIZE];

        say(c, "", "%s left, %s come, the guest writes %s", hb_fmt_bytes(f->left_bytes, left),
            hb_fmt_rate(f->rate, rate), hb_fmt_rate(f->dirty, dirty));
        if (isfinite(f->ready_s))
                hb_part_add(c->why, sizeof(c->why), "; ready in about %s", hb_fmt_seconds(f->ready_s, in));
}

void hb_view_why_slow(const struct hb_view_figures *f, bool stalled, struct hb_view_cause *c) {
        *c = (struct hb_view_cause){{0}};
        if (target_troubled(f, c))
                return;
        if (stalled && (held_back(f, c) || chosen_badly(f, c)))
                return;
        on_its_way(f, c);
        if (stalled && !c->next[0])
                snprintf(c->next, sizeof(c->next), "%s",
                         f->incoming ? "explain a hot page in the guest view (why it is not fetched)"
                                     : "look at the target's daemon too: --socket given twice shows both");
}
