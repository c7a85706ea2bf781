/* summary: the encoder's book of what is due. A page has news when the map's watch says so; it is *due* when
 * the target's belief is wrong: a target knows of writes from the announcements and decays heat itself, so a
 * page written at its usual pace costs nothing here.
 *
 * Cost: each epoch's news are looked at once; what does not fit the budget stays in `due` and is counted by
 * block, and a summary looks only at pages of the blocks it picks: the hottest, and those whose turn it is.
 * Beside that one pass over 8 bytes a block. So a summary costs what was touched and what it says, not what
 * waits and not what the guest could hold. Invariant: what `sent_*` and `word` hold is what the target
 * believes, provided every summary handed out is delivered in order; a lost one needs hb_summary_reset. Owned
 * by the map's thread. */
#include "base/fault.h"
#include "map/heat.h"
#include "map/summary_format.h"
#include "map/summary_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LOOK        128u
#define TURN_SHARE  8u /* 1 / of the budget goes by turns */
#define CREDIT_MOST (1u << 20)
#define PAGES_LEAST (1u << 16) /* looked at for one summary if so many are due */

static size_t arrays_bytes(const hb_summary_encoder *s) {
        return 2 * (size_t)hb_page_map_shape(s->map)->pages;
}

static int make_bitmaps(hb_summary_encoder *s, uint64_t pages) {
        int rc = hb_bitmap_init(&s->sent_resident, pages);

        if (rc == 0)
                rc = hb_bitmap_init(&s->due, pages);
        if (rc == 0)
                rc = hb_bitmap_init(&s->watch.news, pages);
        return rc < 0 ? rc : hb_bitmap_init(&s->watch.blocks, s->blocks);
}

int hb_summary_encoder_new(const hb_page_map *m, hb_summary_encoder **ret) {
        uint64_t pages = hb_page_map_shape(m)->pages;
        hb_summary_encoder *s = hb_fault("summary.new") ? NULL : calloc(1, sizeof(*s));
        void *p;
        int rc = -ENOMEM;

        if (!s)
                return -ENOMEM;
        s->map = (hb_page_map *)m; /* only its list of watches changes */
        s->summed = s->blocks = hb_blocks_of(pages);
        p = mmap(NULL, arrays_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
        if (p == MAP_FAILED)
                goto fail;
        s->sent_write = p;
        s->sent_read = s->sent_write + pages;
        s->block = calloc(s->blocks, sizeof(*s->block));
        rc = s->block ? make_bitmaps(s, pages) : -ENOMEM;
        if (rc < 0)
                goto fail;
        hb_page_map_watch(s->map, &s->watch);
        hb_page_map_all_news(m, &s->watch);
        *ret = s;
        return 0;
fail:
        hb_summary_encoder_free(s);
        return rc;
}

hb_summary_encoder *hb_summary_encoder_free(hb_summary_encoder *s) {
        if (!s)
                return NULL;
        hb_page_map_unwatch(s->map, &s->watch);
        if (s->sent_write)
                munmap(s->sent_write, arrays_bytes(s));
        hb_bitmap_fini(&s->sent_resident);
        hb_bitmap_fini(&s->due);
        hb_bitmap_fini(&s->watch.news);
        hb_bitmap_fini(&s->watch.blocks);
        free(s->block);
        free(s->word);
        free(s);
        return NULL;
}

/* ---- full summaries ---- */

void hb_summary_coarse(hb_summary_encoder *s, bool on) {
        s->coarse = on;
}

/* Without room for words, the guest is told page by page. */
static bool begin_words(hb_summary_encoder *s) {
        if (s->coarse && !s->word)
                s->word = hb_fault("summary.words") ? NULL : calloc(s->blocks, sizeof(*s->word));
        return s->coarse && s->word;
}

static void forget_due(hb_summary_encoder *s) {
        for (uint64_t b = 0; b < s->blocks; b++) {
                if (s->block[b].due)
                        hb_bitmap_clear_range(&s->due, b << HB_BLOCK_SHIFT, HB_BLOCK_PAGES);
                s->block[b] = (struct hb_summary_block){0};
        }
        s->due_total = 0;
}

void hb_summary_reset(hb_summary_encoder *s) {
        madvise(s->sent_write, arrays_bytes(s), MADV_DONTNEED); /* zeros again, and no memory */
        forget_due(s);
        s->cursor = s->turn = s->credit = s->looked = 0;
        if (begin_words(s)) {
                s->summed = 0;
                return;
        }
        free(s->word);
        s->word = NULL;
        s->summed = s->blocks;
        hb_page_map_all_news(s->map, &s->watch);
}

bool hb_summary_due(const hb_summary_encoder *s) {
        uint64_t first, n;

        return s->summed < s->blocks || s->due_total > 0 ||
               hb_bitmap_next_run(&s->watch.blocks, 0, 1, &first, &n);
}

void hb_summary_ask(hb_summary_encoder *s, const struct hb_bitmap *blocks) {
        uint64_t first = 0, n = 0;

        while (hb_bitmap_next_run(blocks, first + n, 0, &first, &n))
                for (uint64_t b = first; b < first + n && b < s->blocks; b++)
                        if (s->block[b].due)
                                s->block[b].class = HB_SUMMARY_TURN;
}

void hb_summary_lag(const hb_summary_encoder *s, struct hb_summary_lag *ret) {
        uint32_t oldest = UINT32_MAX;

        *ret = (struct hb_summary_lag){
                .by_blocks = s->word, .pages = s->due_total, .blocks = s->blocks - s->summed};
        for (uint64_t b = 0; b < s->blocks && s->due_total > 0; b++)
                if (s->block[b].due && s->block[b].since < oldest)
                        oldest = s->block[b].since;
        if (oldest != UINT32_MAX)
                ret->oldest_ns = hb_page_map_epoch_time_ns(s->map, oldest);
}

/* ---- what is due ---- */

bool hb_summary_believed(const hb_summary_encoder *s, uint64_t gfn, const struct hb_map_brief *b) {
        if (b->last_access != b->version) /* a read, or a write nobody really saw */
                return false;
        if (s->sent_write[gfn] == 0)
                return s->word && b->resident && hb_summary_like_word(&s->word[gfn >> HB_BLOCK_SHIFT], b);
        return hb_bitmap_test(&s->sent_resident, gfn) == b->resident &&
               hb_summary_distance(s->sent_write[gfn], b->write_q + 1u) < HB_SUMMARY_STEPS &&
               hb_summary_distance(s->sent_read[gfn], b->read_q + 1u) < HB_SUMMARY_STEPS;
}

void hb_summary_set_due(hb_summary_encoder *s, uint64_t gfn, const struct hb_map_brief *b, uint32_t epoch) {
        struct hb_summary_block *k = &s->block[gfn >> HB_BLOCK_SHIFT];
        unsigned class = hb_summary_class(b);

        if (k->due == 0)
                *k = (struct hb_summary_block){.since = epoch, .pick = k->pick};
        if (class > k->class)
                k->class = (uint8_t) class;
        if (hb_bitmap_test(&s->due, gfn))
                return;
        hb_bitmap_set(&s->due, gfn);
        k->due++;
        s->due_total++;
}

void hb_summary_clear_due(hb_summary_encoder *s, uint64_t gfn) {
        if (!hb_bitmap_test(&s->due, gfn))
                return;
        hb_bitmap_clear(&s->due, gfn);
        s->block[gfn >> HB_BLOCK_SHIFT].due--;
        s->due_total--;
}

void hb_summary_briefs(const hb_summary_encoder *s, uint32_t epoch, const uint32_t *gfn, uint32_t n,
                       struct hb_map_brief *ret) {
        hb_page_map_briefs(s->map, gfn, n, ret);
        for (uint32_t i = 0; i < n; i++) {
                if (ret[i].version > epoch)
                        ret[i].version = epoch;
                if (ret[i].last_access > epoch)
                        ret[i].last_access = epoch;
        }
}

static void look_at_news(hb_summary_encoder *s, uint32_t epoch, const uint32_t *gfn, uint32_t n) {
        struct hb_map_brief b[LOOK];

        hb_summary_briefs(s, epoch, gfn, n, b);
        for (uint32_t i = 0; i < n; i++) {
                /* one that was counted as unlike its block's word is told in any case: the target waits for
                 * it */
                if (hb_summary_believed(s, gfn[i], &b[i]) && s->sent_write[gfn[i]])
                        hb_summary_clear_due(s, gfn[i]);
                else if (!hb_summary_believed(s, gfn[i], &b[i]))
                        hb_summary_set_due(s, gfn[i], &b[i], epoch);
        }
        s->looked += 4ull * n;
}

static void take_block_news(hb_summary_encoder *s, uint32_t epoch, uint64_t block) {
        uint64_t at = block << HB_BLOCK_SHIFT, end = at + HB_BLOCK_PAGES;
        struct hb_bitmap upto = {.words = s->watch.news.words, .bits = s->watch.news.bits};
        uint32_t gfn[LOOK], n;

        if (end < upto.bits)
                upto.bits = end;
        if (block < s->summed || !s->word) /* others are looked at as a whole when they are summed */
                while ((n = hb_bitmap_list(&upto, &at, gfn, LOOK)) > 0)
                        look_at_news(s, epoch, gfn, n);
        hb_bitmap_clear_range(&s->watch.news, block << HB_BLOCK_SHIFT, HB_BLOCK_PAGES);
}

/* Without a look: whoever writes them looks at them anyway. */
static void move_block_news(hb_summary_encoder *s, uint32_t epoch, uint64_t block) {
        uint64_t words = (s->due.bits + 63) / 64, w = block * (HB_BLOCK_PAGES / 64),
                 end = w + HB_BLOCK_PAGES / 64;
        struct hb_summary_block *k = &s->block[block];

        if (k->due == 0)
                *k = (struct hb_summary_block){.since = epoch};
        for (; w < words && w < end; w++) {
                uint64_t more = s->watch.news.words[w] & ~s->due.words[w];

                s->due.words[w] |= more;
                s->watch.news.words[w] = 0;
                k->due = (uint16_t)(k->due + __builtin_popcountll(more));
                s->due_total += (unsigned)__builtin_popcountll(more);
        }
}

/* Sure to fit all of them, whatever they are. */
static bool news_fit(const hb_summary_encoder *s, uint64_t budget) {
        return !s->word && s->due_total + hb_bitmap_count(&s->watch.blocks) * HB_BLOCK_PAGES <=
                                   budget / HB_SUMMARY_ENTRY_MOST;
}

static void take_news(hb_summary_encoder *s, uint32_t epoch, bool fit) {
        uint64_t at = 0;
        uint32_t block[LOOK], n;

        while ((n = hb_bitmap_list(&s->watch.blocks, &at, block, LOOK)) > 0)
                for (uint32_t i = 0; i < n; i++) {
                        (fit ? move_block_news : take_block_news)(s, epoch, block[i]);
                        hb_bitmap_clear(&s->watch.blocks, block[i]);
                }
}

/* ---- whose turn it is ---- */

static void pick_all(hb_summary_encoder *s) {
        for (uint64_t b = 0; b < s->blocks; b++)
                s->block[b].pick = s->block[b].due ? HB_PICK_HOT : HB_PICK_NOT;
}

/* The lowest class of which blocks are looked at, so that the pages of it and above are at least `want`, or
 * all there are. */
static unsigned lowest_class(const hb_summary_encoder *s, uint64_t want) {
        uint64_t pages[HB_SUMMARY_CLASSES] = {0}, sum = 0;
        unsigned c = HB_SUMMARY_CLASSES;

        for (uint64_t b = 0; b < s->blocks; b++)
                pages[s->block[b].class] += s->block[b].due;
        while (c > 0 && sum < want)
                sum += pages[--c];
        return c;
}

/* Of the lowest class some may do: from the cursor on, where it was left. */
static void pick_hot(hb_summary_encoder *s, uint64_t want) {
        unsigned lowest = lowest_class(s, want);
        uint64_t from = s->cursor >> HB_BLOCK_SHIFT, sum = 0;

        for (uint64_t b = 0; b < s->blocks; b++) {
                bool above = s->block[b].due && s->block[b].class > lowest;

                s->block[b].pick = above ? HB_PICK_HOT : HB_PICK_NOT;
                sum += above ? s->block[b].due : 0;
        }
        for (uint64_t i = 0, b = from < s->blocks ? from : 0; i < s->blocks && sum < want; i++) {
                if (s->block[b].due && s->block[b].class == lowest) {
                        s->block[b].pick = HB_PICK_HOT;
                        sum += s->block[b].due;
                }
                b = b + 1 < s->blocks ? b + 1 : 0;
        }
}

/* Every due page goes within TURN_SHARE times the bytes that are due before it. */
static void pick_turns(hb_summary_encoder *s, uint64_t budget) {
        s->credit += budget / TURN_SHARE;
        if (s->credit > CREDIT_MOST)
                s->credit = CREDIT_MOST;
        for (uint64_t i = 0; i < s->blocks; i++) {
                struct hb_summary_block *k = &s->block[s->turn];

                if (k->due && (uint64_t)k->due * HB_SUMMARY_ENTRY_USUAL > s->credit)
                        return;
                s->turn = s->turn + 1 < s->blocks ? s->turn + 1 : 0;
                if (!k->due)
                        continue;
                s->credit -= (uint64_t)k->due * HB_SUMMARY_ENTRY_USUAL;
                k->pick = HB_PICK_TURN;
        }
}

/* ---- a summary ---- */

bool hb_summary_begin(const hb_summary_encoder *s, uint8_t format, uint32_t epoch, uint64_t body,
                      struct hb_buf *out) {
        size_t start = out->len;

        /* All of it is asked for at once: past this point nothing can fail, so what is marked sent is sent.
         */
        if (!hb_buf_space(out, HB_SUMMARY_HEAD + body))
                return false;
        out->len = start;
        hb_buf_u8(out, format);
        hb_buf_u32(out, epoch);
        hb_buf_u64(out, hb_page_map_epoch_time_ns(s->map, epoch));
        return true;
}

static int64_t encode_pages(hb_summary_encoder *s, uint32_t epoch, uint64_t budget, struct hb_buf *out) {
        bool whole = s->due_total <= budget / HB_SUMMARY_ENTRY_MOST;
        int64_t rc;

        if (s->due_total == 0 || (!whole && s->looked >= HB_SUMMARY_LOOKS))
                return 0;
        if (whole || budget / 2 >= s->due_total) {
                pick_all(s);
        } else {
                pick_hot(s, budget / 2 > PAGES_LEAST ? budget / 2 : PAGES_LEAST);
                pick_turns(s, budget);
        }
        rc = hb_summary_pages(s, epoch, budget, whole, out);
        if (rc == 0 && s->due_total > 0) /* nothing was left behind the cursor, which is at the start again */
                rc = hb_summary_pages(s, epoch, budget, whole, out);
        return rc;
}

int64_t hb_summary_encode(hb_summary_encoder *s, uint64_t max_bytes, struct hb_buf *out) {
        uint32_t epoch = hb_page_map_epoch(s->map);
        int64_t rc = 0;

        if (epoch == 0 || max_bytes <= HB_SUMMARY_HEAD)
                return 0;
        if (s->looked_epoch != epoch) {
                s->looked_epoch = epoch;
                s->looked = 0;
        }
        take_news(s, epoch, news_fit(s, max_bytes - HB_SUMMARY_HEAD));
        if (s->summed < s->blocks && s->looked < HB_SUMMARY_LOOKS)
                rc = hb_summary_words(s, epoch, max_bytes - HB_SUMMARY_HEAD, out);
        if (rc != 0 || s->summed < s->blocks)
                return rc;
        return encode_pages(s, epoch, max_bytes - HB_SUMMARY_HEAD, out);
}
