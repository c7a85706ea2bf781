/* duplicates_source: what the target of a placement is told of its guest's pages.
 *
 * A tag in `tags` is true as long as its page stands in `tagged`: an epoch that names the page takes it out
 * before anything of that epoch is sent, and the announcement of the epoch goes out on the same session
 * before any tag that follows. So TAGS carry the map's present epoch as their stamp. A print is made anew
 * when it is asked for, with a stamp of its own; one whose tag has changed meanwhile is not sent, for the
 * page was written and will be announced. 4 bytes a page are kept, and three bits. */
#include "base/clock.h"
#include "daemon/duplicates_priv.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE    3u     /* epochs without a write */
#define TAGS_TICK 32768u /* tags sent a tick: 2.6 MB/s at most */
#define RANK_1    0.01f  /* writes a second */
#define RANK_2    0.1f
#define RANK_3    1.0f

/* A page that is written seldom keeps its print. */
static unsigned rank_of(void *arg, uint64_t gfn) {
        struct hb_dup_guest *dg = arg;
        struct hb_page_info i;

        hb_page_map_get(dg->g->map, gfn, &i);
        return i.write_heat < RANK_1 ? 0 : i.write_heat < RANK_2 ? 1 : i.write_heat < RANK_3 ? 2 : 3;
}

/* ---- life ---- */

static void guest_free(struct hb_dup_guest *dg) {
        hb_dup_source_drop(dg->x, dg->source);
        dg->schedule = hb_print_schedule_free(dg->schedule);
        hb_bitmap_fini(&dg->tagged);
        hb_bitmap_fini(&dg->unsent);
        hb_bitmap_fini(&dg->asked);
        free(dg->tags);
        free(dg);
}

static int open_source(struct hb_dup_guest *dg) {
        const hb_target *t = dg->g->target;
        struct hb_dup_part parts[HB_MAX_REGIONS];

        for (unsigned i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];

                parts[i] = (struct hb_dup_part){r->first_gfn, t->shape.regions[i].pages, r->file_offset,
                                                fcntl(r->fd, F_DUPFD_CLOEXEC, 0)};
                if (parts[i].fd < 0) {
                        while (i-- > 0)
                                close(parts[i].fd);
                        return -EMFILE;
                }
        }
        return hb_dup_source_new(dg->x, HB_DUP_GUEST, dg->g->name, parts, t->shape.nregions, &dg->source);
}

void hb_dup_guest_attached(struct hb_guest *g) {
        struct hb_duplicates *x = g->d->duplicates;
        struct hb_dup_guest *dg;
        uint64_t pages = g->target->shape.pages;

        if (!x || g->dup)
                return;
        dg = calloc(1, sizeof *dg);
        if (!dg)
                return;
        dg->x = x;
        dg->g = g;
        dg->tags = calloc(pages, sizeof *dg->tags);
        if (!dg->tags || hb_bitmap_init(&dg->tagged, pages) < 0 || hb_bitmap_init(&dg->unsent, pages) < 0 ||
            hb_bitmap_init(&dg->asked, pages) < 0 ||
            hb_print_schedule_new(pages, SETTLE, rank_of, dg, &dg->schedule) < 0 || open_source(dg) < 0) {
                hb_daemon_event(g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL, NULL,
                                "guest %s: no memory to look for duplicates of its pages", g->name);
                guest_free(dg);
                return;
        }
        g->dup = dg;
        dg->next = x->guests;
        x->guests = dg;
}

void hb_dup_guest_gone(struct hb_guest *g) {
        struct hb_dup_guest *dg = g->dup;

        if (!dg)
                return;
        g->dup = NULL;
        if (dg->x->job && dg->x->job->guest == dg)
                dg->x->job->guest = NULL;
        for (struct hb_dup_guest **p = &dg->x->guests; *p; p = &(*p)->next)
                if (*p == dg) {
                        *p = dg->next;
                        break;
                }
        guest_free(dg);
}

/* ---- epochs ---- */

/* At first every page is due at once: that the first scan names all of them says nothing about writes. */
static void begin(struct hb_dup_guest *dg) {
        struct hb_bitmap known;

        if (hb_bitmap_init(&known, dg->g->target->shape.pages) < 0)
                return;
        hb_page_map_since(dg->g->map, 0, &known);
        hb_print_schedule_add(dg->schedule, &known);
        hb_bitmap_fini(&known);
        dg->begun = true;
}

void hb_dup_guest_epoch(struct hb_guest *g, const struct hb_bitmap *written) {
        struct hb_dup_guest *dg = g->dup;

        if (!dg)
                return;
        atomic_store_explicit(&dg->source->epoch, hb_page_map_epoch(g->map), memory_order_release);
        if (!dg->begun) {
                begin(dg);
                return;
        }
        if (g->scan.lost) { /* also what is in no scan any more */
                hb_bitmap_clear_all(&dg->tagged);
                hb_bitmap_clear_all(&dg->unsent);
                hb_bitmap_clear_all(&dg->asked);
                hb_bitmap_set_all(&g->unsettled);
                hb_print_schedule_epoch(dg->schedule, &g->unsettled);
                return;
        }
        hb_bitmap_and_not(&dg->tagged, written);
        hb_bitmap_and_not(&dg->unsent, written);
        hb_bitmap_and_not(&dg->asked, written);
        hb_print_schedule_epoch(dg->schedule, written);
}

/* ---- the placement ---- */

void hb_dup_guest_open(struct hb_outgoing *p) {
        struct hb_dup_guest *dg = p->g->dup;
        uint64_t own = hb_duplicates_secret_id(p->d);

        if (!dg)
                return;
        dg->agreed = own != 0 && p->placed.secret_id == own && hb_session_version(p->session) >= 2;
        hb_bitmap_clear_all(&dg->asked);
        if (!dg->agreed) {
                hb_bitmap_clear_all(&dg->unsent);
                return;
        }
        hb_bitmap_copy(&dg->unsent, &dg->tagged);
        dg->tags_due = true;
        hb_dup_guest_send(dg);
}

/* Once the guest is released there may be no placement over there any more. */
static bool can_send(const struct hb_dup_guest *dg) {
        const struct hb_handover *h = dg->g->handover;

        return (!h || hb_ho_undoable(h->state)) && dg->agreed && dg->g->placement &&
               hb_outgoing_usable(dg->g->placement);
}

static int send_tags(void *arg, const void *part, size_t size) {
        struct hb_dup_guest *dg = arg;
        return hb_outgoing_send(dg->g->placement, HB_MSG_TAGS, part, size);
}

static int send_prints(void *arg, const void *part, size_t size) {
        struct hb_dup_guest *dg = arg;
        return hb_outgoing_send(dg->g->placement, HB_MSG_PRINTS, part, size);
}

/* Only what the target has been told of the writes up to. */
void hb_dup_guest_send(struct hb_dup_guest *dg) {
        uint32_t epoch = hb_page_map_epoch(dg->g->map), n, *gfn;
        uint64_t at = 0;
        struct hb_print *prints;
        struct hb_buf b = {0};

        if (!dg->tags_due || !can_send(dg) || epoch == 0 || dg->g->placement->sent_epoch != epoch)
                return;
        gfn = malloc(TAGS_TICK * sizeof *gfn);
        prints = calloc(TAGS_TICK, sizeof *prints);
        n = gfn && prints ? hb_bitmap_list(&dg->unsent, &at, gfn, TAGS_TICK) : 0;
        for (uint32_t i = 0; i < n; i++)
                for (unsigned k = 0; k < 4; k++)
                        prints[i].b[k] = (uint8_t)(dg->tags[gfn[i]] >> (8 * k));
        if (n > 0 && hb_tags_encode(epoch, gfn, prints, n, &b, send_tags, dg) >= 0) {
                for (uint32_t i = 0; i < n; i++)
                        hb_bitmap_clear(&dg->unsent, gfn[i]);
                dg->x->n.tags_sent += n;
                dg->tags_due = n == TAGS_TICK;
        } else if (n == 0 && gfn && prints) {
                dg->tags_due = false;
        }
        hb_buf_free(&b);
        free(prints);
        free(gfn);
}

static void on_asked(void *arg, uint64_t gfn) {
        struct hb_dup_guest *dg = arg;

        if (!hb_bitmap_test(&dg->tagged, gfn)) /* it was written, and the target is being told */
                return;
        hb_bitmap_set(&dg->asked, gfn);
        dg->asks_due = true;
}

int hb_dup_guest_asked(struct hb_outgoing *p, const uint8_t *payload, size_t size) {
        struct hb_dup_guest *dg = p->g->dup;

        if (!dg || !dg->agreed)
                return -EPROTO;
        return hb_ask_decode(payload, size, p->g->target->shape.pages, on_asked, dg);
}

/* ---- printing ---- */

bool hb_dup_guest_fill(struct hb_dup_guest *dg, struct hb_dup_print *job, enum hb_dup_why why) {
        uint64_t at = 0;

        if (!dg->begun || dg->g->gone)
                return false;
        job->why = why;
        if (why == HB_DUP_SCHEDULED) {
                job->n = hb_print_schedule_take(dg->schedule, job->gfn, HB_DUP_BATCH);
                return job->n > 0;
        }
        if (!dg->asks_due)
                return false;
        job->n = hb_bitmap_list(&dg->asked, &at, job->gfn, HB_DUP_BATCH);
        dg->asks_due = job->n == HB_DUP_BATCH;
        for (uint32_t i = 0; i < job->n; i++)
                hb_bitmap_clear(&dg->asked, job->gfn[i]);
        return job->n > 0;
}

static void answer(struct hb_dup_guest *dg, const struct hb_dup_print *job) {
        uint32_t *gfn = malloc(job->n * sizeof *gfn), n = 0;
        struct hb_print *prints = malloc(job->n * sizeof *prints);
        struct hb_buf b = {0};

        for (uint32_t i = 0; gfn && prints && i < job->n; i++) {
                uint32_t g = job->gfn[i];

                if (!job->read[i] || !hb_bitmap_test(&dg->tagged, g) ||
                    hb_print_tag(&job->print[i]) != dg->tags[g])
                        continue;
                gfn[n] = g;
                prints[n++] = job->print[i];
        }
        if (n > 0 && job->stamp > 0 && can_send(dg) &&
            hb_prints_encode(job->stamp, gfn, prints, n, &b, send_prints, dg) >= 0)
                dg->x->n.prints_sent += n;
        hb_buf_free(&b);
        free(prints);
        free(gfn);
}

void hb_dup_guest_printed(struct hb_dup_guest *dg, const struct hb_dup_print *job) {
        if (job->why == HB_DUP_ASKED) {
                answer(dg, job);
                return;
        }
        for (uint32_t i = 0; i < job->n; i++) {
                uint32_t g = job->gfn[i];

                if (!job->read[i] || !hb_print_schedule_true(dg->schedule, g))
                        continue;
                dg->tags[g] = hb_print_tag(&job->print[i]);
                hb_bitmap_set(&dg->tagged, g);
                if (dg->agreed) {
                        hb_bitmap_set(&dg->unsent, g);
                        dg->tags_due = true;
                }
                hb_dup_put(dg->x, dg->source->owner, g, &job->print[i]);
        }
}
