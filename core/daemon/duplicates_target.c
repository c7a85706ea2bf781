/* duplicates_target: what the target of a placement knows of pages that it need not fetch.
 *
 * A page goes CANDIDATE (its tag is in the index) -> WAITS (asked for) -> KNOWN (its print is in the index:
 * the engine is told, with the stamp the print was made under) -> copied or refuted, and back to nothing
 * whenever an announcement names it. Entries live in blocks of 2 MiB of guest, made when first needed; their
 * number is bounded, and a page for which there is no room is fetched like any other. Whatever a source sends
 * here costs at most that memory and a look at the index; nothing of it is believed before the copy was
 * printed here. */
#include "base/clock.h"
#include "daemon/duplicates_priv.h"
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_AT_ONCE  16384u /* pages asked for and not answered */
#define ASK_PATIENCE (2 * HB_NS_PER_S)
#define HOLD_NS      (3 * HB_NS_PER_S)
#define QUIET_NS     (400 * HB_NS_PER_MS)
#define HOLD_LOOK    16384u  /* tags, after which too few candidates end the hold */
#define SWEEP_BLOCKS 1024u   /* a tick */
#define LOOK_PAGES   262144u /* of an image, a batch */

/* ---- entries ---- */

struct hb_dup_entry *hb_dup_entry(struct hb_dup_image *di, uint64_t gfn) {
        struct hb_dup_block *b = di->blocks[gfn / HB_DUP_BLOCK];

        return b && b->e[gfn % HB_DUP_BLOCK].state != HB_DUP_NOTHING ? &b->e[gfn % HB_DUP_BLOCK] : NULL;
}

void hb_dup_entry_clear(struct hb_dup_image *di, uint64_t gfn) {
        struct hb_dup_block **b = &di->blocks[gfn / HB_DUP_BLOCK];
        struct hb_dup_entry *e = hb_dup_entry(di, gfn);

        if (!e)
                return;
        if (e->state == HB_DUP_WAITS && di->waiting > 0)
                di->waiting--;
        if (e->state == HB_DUP_CANDIDATE)
                hb_bitmap_clear(&di->to_ask, gfn);
        e->state = HB_DUP_NOTHING;
        if (--(*b)->used > 0)
                return;
        free(*b);
        *b = NULL;
        di->have--;
}

static struct hb_dup_entry *entry_new(struct hb_dup_image *di, uint64_t gfn) {
        struct hb_dup_block **b = &di->blocks[gfn / HB_DUP_BLOCK];
        struct hb_dup_entry *e;

        hb_dup_entry_clear(di, gfn);
        if (!*b && di->have < di->most && (*b = calloc(1, sizeof **b)))
                di->have++;
        if (!*b)
                return NULL;
        e = &(*b)->e[gfn % HB_DUP_BLOCK];
        (*b)->used++;
        return e;
}

/* ---- life ---- */

static void image_free(struct hb_dup_image *di) {
        hb_dup_source_drop(di->x, di->source);
        for (uint64_t i = 0; di->blocks && i < di->nblocks; i++)
                free(di->blocks[i]);
        free(di->blocks);
        hb_bitmap_fini(&di->to_ask);
        hb_bitmap_fini(&di->printed);
        pthread_mutex_destroy(&di->lock);
        pthread_cond_destroy(&di->idle);
        free(di);
}

static int open_source(struct hb_dup_image *di) {
        const struct hb_shape *shape = &di->in->shape;
        struct hb_dup_part parts[HB_MAX_REGIONS];

        for (unsigned i = 0; i < shape->nregions; i++) {
                parts[i] = (struct hb_dup_part){
                        shape->regions[i].first_gfn, shape->regions[i].pages, 0,
                        open(hb_image_region_path(di->in->image, i), O_RDONLY | O_CLOEXEC)};
                if (parts[i].fd < 0) {
                        while (i-- > 0)
                                close(parts[i].fd);
                        return -EIO;
                }
        }
        return hb_dup_source_new(di->x, HB_DUP_IMAGE, di->in->guest, parts, shape->nregions, &di->source);
}

void hb_dup_image_begin(struct hb_incoming *in) {
        struct hb_duplicates *x = in->d->duplicates;
        struct hb_dup_image *di = x && !in->dup ? calloc(1, sizeof *di) : NULL;

        if (!di)
                return;
        di->x = x;
        di->in = in;
        pthread_mutex_init(&di->lock, NULL);
        pthread_cond_init(&di->idle, NULL);
        di->nblocks = (in->shape.pages + HB_DUP_BLOCK - 1) / HB_DUP_BLOCK;
        di->most = (unsigned)(in->d->settings->duplicate_index_bytes / 4 / sizeof(struct hb_dup_block)) + 1;
        di->blocks = calloc(di->nblocks, sizeof *di->blocks);
        if (!di->blocks || hb_bitmap_init(&di->to_ask, in->shape.pages) < 0 ||
            hb_bitmap_init(&di->printed, in->shape.pages) < 0 || open_source(di) < 0) {
                hb_daemon_event(in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                                "placement of %s: no memory to look for duplicates", in->guest);
                image_free(di);
                return;
        }
        in->dup = di;
        di->next = x->images;
        x->images = di;
}

void hb_dup_image_end(struct hb_incoming *in) {
        struct hb_dup_image *di = in->dup;

        if (!di)
                return;
        hb_dup_copies_end(di);
        in->dup = NULL;
        if (di->x->job && di->x->job->image == di)
                di->x->job->image = NULL;
        for (struct hb_dup_image **p = &di->x->images; *p; p = &(*p)->next)
                if (*p == di) {
                        *p = di->next;
                        break;
                }
        image_free(di);
}

void hb_dup_image_open(struct hb_incoming *in, uint64_t peer_secret_id, unsigned version) {
        struct hb_dup_image *di = in->dup;
        uint64_t own = hb_duplicates_secret_id(in->d);
        struct hb_engine_stats st;

        if (!di)
                return;
        di->agreed = own != 0 && own == peer_secret_id && version >= 2;
        for (uint64_t gfn = 0, n; hb_bitmap_next_run(&di->to_ask, gfn, 0, &gfn, &n); gfn += n)
                for (uint64_t i = 0; i < n; i++) /* to be asked on a session that is over; tags come again */
                        hb_dup_entry_clear(di, gfn + i);
        di->waiting = 0;
        di->opened_ns = di->heard_ns = hb_now_ns();
        hb_engine_stats(in->engine, &st);
        di->hold_over = di->held_once || !di->agreed || st.fresh > 0;
        di->held_once = true;
}

/* ---- asking ---- */

static int send_ask(void *arg, const void *part, size_t size) {
        return hb_incoming_send(arg, HB_MSG_ASK, part, size);
}

static void ask(struct hb_dup_image *di, uint64_t now) {
        uint32_t *gfn, n;
        uint64_t at = 0;
        struct hb_buf b = {0};

        if (!di->in->session || di->waiting >= ASK_AT_ONCE)
                return;
        gfn = malloc(ASK_AT_ONCE * sizeof *gfn);
        n = gfn ? hb_bitmap_list(&di->to_ask, &at, gfn, (uint32_t)(ASK_AT_ONCE - di->waiting)) : 0;
        if (n > 0 && hb_ask_encode(gfn, n, &b, send_ask, di->in) >= 0) {
                for (uint32_t i = 0; i < n; i++) {
                        hb_bitmap_clear(&di->to_ask, gfn[i]);
                        hb_dup_entry(di, gfn[i])->state = HB_DUP_WAITS;
                }
                di->waiting += n;
                di->asked_ns = now;
                di->x->n.asked += n;
        }
        hb_buf_free(&b);
        free(gfn);
}

static void on_tag(void *arg, uint64_t gfn, uint32_t tag) {
        struct hb_dup_image *di = arg;
        struct hb_dup_entry *e;

        di->tags++;
        if (hb_engine_page(di->in->engine, gfn) == HB_PAGE_FRESH ||
            (tag != hb_print_tag(hb_fingerprint_zero(di->x->f)) && !hb_dup_index_has_tag(di->x->index, tag)))
                return;
        e = entry_new(di, gfn);
        if (!e)
                return;
        e->state = HB_DUP_CANDIDATE;
        e->print = hb_print_join(tag, (uint8_t[HB_PRINT_REST]){0});
        hb_bitmap_set(&di->to_ask, gfn);
        di->candidates++;
}

int hb_dup_image_tags(struct hb_incoming *in, const uint8_t *payload, size_t size) {
        struct hb_dup_image *di = in->dup;
        uint64_t tags, candidates;
        uint32_t stamp;
        int r;

        if (!di || !di->agreed)
                return -EPROTO;
        tags = di->tags;
        candidates = di->candidates;
        pthread_mutex_lock(&di->x->lock);
        r = hb_tags_decode(payload, size, in->shape.pages, &stamp, on_tag, di);
        pthread_mutex_unlock(&di->x->lock);
        di->x->n.tags_seen += di->tags - tags;
        di->x->n.candidates += di->candidates - candidates;
        di->heard_ns = hb_now_ns();
        if (r == 0)
                ask(di, di->heard_ns);
        return r;
}

/* ---- answers ---- */

struct answer {
        struct hb_dup_image *di;
        uint64_t now, first, n; /* a run that is known */
        uint32_t stamp;
};

static void tell_run(struct answer *a) {
        if (a->n > 0)
                hb_engine_known(a->di->in->engine, a->now, a->first, a->n, a->stamp, true);
        a->n = 0;
}

static void on_print(void *arg, uint64_t gfn, const uint8_t rest[HB_PRINT_REST]) {
        struct answer *a = arg;
        struct hb_dup_image *di = a->di;
        struct hb_dup_entry *e = hb_dup_entry(di, gfn);
        struct hb_dup_place at = {0};

        if (!e || e->state != HB_DUP_WAITS) /* written meanwhile, or never asked for */
                return;
        di->x->n.prints_seen++;
        e->print = hb_print_join(hb_print_tag(&e->print), rest);
        if (!hb_dup_is_zero(di->x, &e->print) && hb_dup_index_get(di->x->index, &e->print, &at) < 0) {
                hb_dup_entry_clear(di, gfn);
                return;
        }
        if (di->waiting > 0)
                di->waiting--;
        e->state = HB_DUP_KNOWN;
        e->stamp = a->stamp;
        e->owner = at.owner;
        e->page = (uint32_t)at.page;
        di->x->n.found++;
        if (a->n > 0 && a->first + a->n != gfn)
                tell_run(a);
        if (a->n == 0)
                a->first = gfn;
        a->n++;
}

/* The stamp stands in the head, before the first call. */
static uint32_t stamp_of(const uint8_t *payload, size_t size) {
        struct hb_rd rd = hb_rd_init(payload, size);

        hb_rd_u8(&rd);
        return hb_rd_u32(&rd);
}

int hb_dup_image_prints(struct hb_incoming *in, const uint8_t *payload, size_t size) {
        struct hb_dup_image *di = in->dup;
        struct answer a = {.di = di, .now = hb_now_ns(), .stamp = stamp_of(payload, size)};
        uint32_t stamp;
        int r;

        if (!di || !di->agreed)
                return -EPROTO;
        pthread_mutex_lock(&di->x->lock);
        r = hb_prints_decode(payload, size, in->shape.pages, &stamp, on_print, &a);
        pthread_mutex_unlock(&di->x->lock);
        tell_run(&a);
        di->heard_ns = a.now;
        if (r == 0) {
                ask(di, a.now);
                hb_incoming_step(in);
        }
        return r;
}

void hb_dup_image_invalidated(struct hb_incoming *in, uint32_t to, const struct hb_bitmap *written) {
        struct hb_dup_image *di = in->dup;

        if (!di)
                return;
        hb_bitmap_and_not(&di->printed, written);
        for (uint64_t b = 0; b < di->nblocks; b++) {
                uint64_t first = b * HB_DUP_BLOCK;

                for (uint64_t i = 0; di->blocks[b] && i < HB_DUP_BLOCK && first + i < in->shape.pages; i++) {
                        struct hb_dup_entry *e = hb_dup_entry(di, first + i);

                        if (e && hb_bitmap_test(written, first + i) &&
                            (e->state != HB_DUP_KNOWN || e->stamp < to))
                                hb_dup_entry_clear(di, first + i);
                }
        }
}

/* ---- the beginning of a placement ---- */

static void end_hold(struct hb_dup_image *di) {
        di->hold_over = true;
        hb_incoming_step(di->in);
}

bool hb_dup_image_holds(struct hb_incoming *in) {
        struct hb_dup_image *di = in->dup;

        return di && !di->hold_over && in->session != NULL;
}

/* Nothing is held here, nothing comes any more, or what comes is of no use: on with it. */
static bool hold_is_over(struct hb_dup_image *di, uint64_t now) {
        struct hb_dup_index_stats st;

        if (now - di->opened_ns >= HOLD_NS || (now - di->heard_ns >= QUIET_NS && di->waiting == 0))
                return true;
        if (di->tags >= HOLD_LOOK && di->candidates < di->tags / 16)
                return true;
        pthread_mutex_lock(&di->x->lock);
        hb_dup_index_stats(di->x->index, &st);
        pthread_mutex_unlock(&di->x->lock);
        return st.entries == 0;
}

/* What was fetched after all needs no entry any more. */
static void sweep(struct hb_dup_image *di) {
        for (unsigned n = 0; n < SWEEP_BLOCKS && n < di->nblocks && di->have > 0; n++) {
                uint64_t b = di->swept;

                di->swept = b + 1 < di->nblocks ? b + 1 : 0;
                for (uint64_t i = 0; di->blocks[b] && i < HB_DUP_BLOCK; i++) {
                        uint64_t gfn = b * HB_DUP_BLOCK + i;

                        if (hb_dup_entry(di, gfn) && hb_engine_page(di->in->engine, gfn) == HB_PAGE_FRESH)
                                hb_dup_entry_clear(di, gfn);
                }
        }
}

void hb_dup_image_tick(struct hb_dup_image *di, uint64_t now) {
        if (di->waiting > 0 && now - di->asked_ns > ASK_PATIENCE)
                di->waiting = 0; /* written meanwhile, most likely; an answer that comes late is taken */
        if (di->agreed)
                ask(di, now);
        sweep(di);
        if (!di->hold_over && hold_is_over(di, now))
                end_hold(di);
}

/* ---- what lies in the image, for other placements ---- */

bool hb_dup_image_fill(struct hb_dup_image *di, struct hb_dup_print *job) {
        const struct hb_image_page *pages = hb_image_pages(di->in->image);
        uint64_t total = di->in->shape.pages, looked = 0;

        job->why = HB_DUP_HELD;
        job->n = 0;
        for (; looked < LOOK_PAGES && looked < total && job->n < HB_DUP_BATCH; looked++) {
                uint64_t gfn = di->cursor;

                di->cursor = di->cursor + 1 < total ? di->cursor + 1 : 0;
                if (hb_bitmap_test(&di->printed, gfn) ||
                    pages[gfn].flags & (HB_IP_ZERO | HB_IP_FETCHING | HB_IP_SPILLED) ||
                    hb_coherency_judge(pages[gfn].c) != HB_PAGE_FRESH)
                        continue;
                hb_bitmap_set(&di->printed, gfn);
                job->gfn[job->n++] = (uint32_t)gfn;
        }
        return job->n > 0;
}

void hb_dup_image_printed(struct hb_dup_image *di, const struct hb_dup_print *job) {
        for (uint32_t i = 0; i < job->n; i++)
                if (job->read[i] && hb_bitmap_test(&di->printed, job->gfn[i]))
                        hb_dup_put(di->x, di->source->owner, job->gfn[i], &job->print[i]);
}
