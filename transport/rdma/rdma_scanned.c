/* rdma_scanned: the check that keeps stamps true: before an epoch counts as completed, the pages written in
 * it are looked up in the windows that are lent, and a window with a page in another frame than was pinned
 * goes.
 *
 * Why that is enough. Let a page move to another frame (discarded, then written again). The tracker reports
 * it in W of the next scan, and this runs before completed_epoch takes that scan's number e. The pinned frame
 * cannot be handed out again, so the comparison cannot be fooled. When this returns the window's keys are
 * dead: a READ under a stamp >= e was posted after that and fails. One under an older stamp may still bring
 * the old frame's bytes, and coherency.c calls them stale, because the page's version is e. On the scan's
 * thread; costs 8 bytes read of pagemap for each written page in a window, and waits (return_ms at most) only
 * when a window is lost, so that the target can let go without losing its connection. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/frames.h"
#include "rdma/rdma_server.h"
#include <string.h>

/* Of pages [from, to) of a run at `frames`: is a written one not where it was? What cannot be read has
 * changed. */
static bool run_lost(const hb_rdma_server *s, const struct hb_bitmap *written, uint64_t gfn, uint64_t pages,
                     const uint64_t *frames) {
        uint64_t now[256], first, n, next = gfn;

        while (hb_bitmap_next_run(written, next, 256, &first, &n) && first < gfn + pages) {
                if (n > gfn + pages - first)
                        n = gfn + pages - first;
                if (hb_frames_read(s->pagemap, hb_held_at(s, first), n, now) < 0 ||
                    memcmp(now, frames + (first - gfn), n * sizeof(*now)) != 0)
                        return true;
                next = first + n;
        }
        return false;
}

static bool window_lost(const hb_rdma_server *s, const struct hb_held *h, const struct hb_bitmap *written) {
        uint64_t first = (uint64_t)h->head.number * s->window_pages;
        const uint64_t *frames = h->frames;

        for (unsigned i = 0; i < h->nruns; frames += h->runs[i++].pages)
                if (run_lost(s, written, first + h->runs[i].first, h->runs[i].pages, frames))
                        return true;
        return false;
}

static unsigned find_lost(hb_rdma_server *s, const struct hb_bitmap *written) {
        unsigned lost = 0;

        for (struct hb_window *w = s->held.newest; w; w = w->older) {
                struct hb_held *h = (struct hb_held *)w;

                if (h->lost || !window_lost(s, h, written))
                        continue;
                h->lost = true;
                s->lost_now++;
                lost++;
                hb_held_recall(s, h);
        }
        return lost;
}

/* The target has a moment to let go; then the window goes all the same, and READs in it fail. */
static void wait_for_lost(hb_rdma_server *s) {
        uint64_t end = hb_now_ns() + s->return_ns;
        struct timespec ts = {.tv_sec = (time_t)(end / HB_NS_PER_S), .tv_nsec = (long)(end % HB_NS_PER_S)};

        while (s->lost_now > 0 && pthread_cond_timedwait(&s->changed, &s->lock, &ts) == 0)
                ;
        for (struct hb_window *w = s->held.newest, *older; w && s->lost_now > 0; w = older) {
                older = w->older;
                if (((struct hb_held *)w)->lost) {
                        s->stats.forced++;
                        hb_held_withdraw(s, (struct hb_held *)w);
                }
        }
}

int hb_rdma_server_scanned(hb_rdma_server *s, const struct hb_bitmap *written) {
        unsigned lost = 0;

        if (s->pagemap < 0 || hb_fault("rdma.scanned")) /* the fault shows that the check is needed */
                return 0;
        pthread_mutex_lock(&s->lock);
        if (!s->over)
                lost = find_lost(s, written);
        s->stats.frames_lost += lost;
        if (lost > 0) {
                hb_rdma_end_wake(&s->end);
                wait_for_lost(s);
        }
        pthread_mutex_unlock(&s->lock);
        return (int)lost;
}
