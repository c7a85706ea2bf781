/* The judge against an oracle that knows the real bytes.
 *
 * The world: a source with P pages of two halves each (so that a copy can be torn), its tracker, a channel
 * that loses, repeats and reorders announcements, a transport whose reads race with writes, a target that
 * restarts. Every history up to a depth is tried (states met before at no lesser depth are not tried again),
 * and after each step the end is played: the guest stops, the final scan is made, everything is announced;
 * whatever the judge then calls fresh must equal the source byte for byte. The same search with a judge
 * broken in one of five ways must find a history that fools it: so the search can see.
 *
 * With copies the source also prints pages, half by half like a read, and the target, which has those very
 * bytes (torn ones too), copies them whenever it likes, with the print's stamp. A sixth breakage gives a copy
 * the stamp of when it is made. */
#include "check.h"
#include "place/coherency.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_P      2
#define MAX_QUEUE  4
#define MAX_EPOCHS 12

struct bytes {
        uint8_t half[2]; /* a write gives both a new value, one after the other is not needed: a read may fall
                            between */
};

enum phase { IDLE, STARTED, HALF, READ, COPYING };

struct fetch {
        uint8_t phase, stamp;
        struct bytes got;
};

struct announcement {
        uint8_t from, to, pages; /* pages: a bit each */
};

struct world {
        /* source */
        struct bytes mem[MAX_P];
        uint8_t dirty; /* bits: written since the last scan */
        uint8_t epoch; /* last completed scan */
        uint8_t version[MAX_P];
        /* between */
        struct announcement queue[MAX_QUEUE], last;
        uint8_t queued;
        struct fetch fetch[MAX_P], print[MAX_P]; /* a print that is READ is known to the target */
        /* target */
        struct hb_coherency_page page[MAX_P];
        struct bytes image[MAX_P];
        uint32_t processed;
        uint8_t resync; /* asked for */
};

enum broken {
        RIGHT,
        ACCEPTS_GAPS,
        STAMPS_LATE,
        LENIENT,
        KEEPS_STAMP,
        FORGETS_INVALID,
        COPIES_LATE,
        BROKEN_KINDS
};

struct search {
        unsigned pages;
        bool copies;
        enum broken broken;
        uint64_t *seen; /* open addressing: hash of state and depth left */
        uint64_t mask, states, ends;
        bool fooled;
};

static struct announcement since(const struct world *w, unsigned pages, uint8_t from) {
        struct announcement a = {.from = from, .to = w->epoch};

        for (unsigned p = 0; p < pages; p++)
                if (w->version[p] > from)
                        a.pages |= (uint8_t)(1u << p);
        return a;
}

static void announce(struct world *w, struct announcement a) {
        if (w->queued < MAX_QUEUE)
                w->queue[w->queued++] = a;
}

static void scan(struct world *w, unsigned pages) {
        w->epoch++;
        for (unsigned p = 0; p < pages; p++)
                if (w->dirty >> p & 1)
                        w->version[p] = w->epoch;
        w->dirty = 0;
        announce(w, since(w, pages, (uint8_t)(w->epoch - 1)));
}

static void hear(struct world *w, unsigned pages, struct announcement a, enum broken broken) {
        int rc = hb_coherency_accept(w->processed, a.from, a.to);

        if (broken == ACCEPTS_GAPS && rc == -ESTALE)
                rc = 0;
        if (rc == -ESTALE)
                w->resync = 1;
        if (rc != 0)
                return;
        for (unsigned p = 0; p < pages; p++) {
                if (!(a.pages >> p & 1))
                        continue;
                /* broken: an announcement that meets a page being fetched is dropped */
                if (broken != FORGETS_INVALID || w->fetch[p].phase == IDLE)
                        hb_coherency_invalidate(&w->page[p], a.to);
        }
        w->processed = a.to;
}

static void take(struct world *w, unsigned i) {
        w->last = w->queue[i];
        memmove(&w->queue[i], &w->queue[i + 1], (w->queued - i - 1u) * sizeof(w->queue[0]));
        w->queued--;
        w->queue[w->queued] = (struct announcement){0};
}

static void fetch_step(struct world *w, unsigned p, enum broken broken) {
        struct fetch *f = &w->fetch[p];

        switch (f->phase) {
        case IDLE: /* the source stamps, then begins to read */
                if (broken != KEEPS_STAMP)
                        hb_coherency_overwriting(&w->page[p]);
                f->stamp = w->epoch;
                f->phase = STARTED;
                break;
        case STARTED:
                f->got.half[0] = w->mem[p].half[0];
                w->image[p].half[0] = f->got.half[0]; /* bytes land as they come */
                f->phase = HALF;
                break;
        case HALF:
                f->got.half[1] = w->mem[p].half[1];
                if (broken == STAMPS_LATE)
                        f->stamp = w->epoch;
                f->phase = READ;
                break;
        case COPYING:
        case READ:
                w->image[p] = f->got;
                if (broken == KEEPS_STAMP && f->stamp < w->page[p].stamp)
                        f->stamp = (uint8_t)w->page[p].stamp;
                hb_coherency_fetched(&w->page[p], f->stamp);
                *f = (struct fetch){0};
                break;
        }
}

/* The source prints the page; then the target, which has those bytes, copies them, a fetch of its own kind.
 */
static bool print_step(struct world *w, unsigned p, enum broken broken) {
        struct fetch *f = &w->print[p];

        switch (f->phase) {
        case IDLE:
                if (w->epoch == 0)
                        return false;
                *f = (struct fetch){.phase = STARTED, .stamp = w->epoch};
                return true;
        case STARTED:
        case HALF:
                f->got.half[f->phase == HALF] = w->mem[p].half[f->phase == HALF];
                f->phase = f->phase == HALF ? READ : HALF;
                return true;
        }
        if (w->fetch[p].phase != IDLE)
                return false;
        hb_coherency_overwriting(&w->page[p]);
        w->image[p].half[0] = f->got.half[0];
        w->fetch[p] = *f;
        w->fetch[p].phase = COPYING;
        if (broken == COPIES_LATE)
                w->fetch[p].stamp = w->epoch;
        *f = (struct fetch){0};
        return true;
}

/* A fetch that dies leaves anything behind. */
static void target_restarts(struct world *w) {
        for (unsigned p = 0; p < MAX_P; p++)
                if (w->fetch[p].phase != IDLE)
                        w->image[p].half[0] = 0xEE;
        memset(w->fetch, 0, sizeof(w->fetch));
        memset(w->print, 0, sizeof(w->print));
        memset(w->queue, 0, sizeof(w->queue));
        w->queued = 0;
        w->resync = 1;
}

/* What can happen. Returns false when `op` cannot happen here. */
static bool step(struct world *w, unsigned op, const struct search *s) {
        unsigned p = op < 2 * s->pages ? op % s->pages : (op - (2 * s->pages + 7)) % s->pages;

        switch (op / s->pages) {
        case 0: /* the guest writes */
                w->mem[p].half[0]++;
                w->mem[p].half[1] = (uint8_t)(w->mem[p].half[0] + 100);
                w->dirty |= (uint8_t)(1u << p);
                return true;
        case 1:
                if (w->epoch == 0 && w->fetch[p].phase == IDLE)
                        return false;
                fetch_step(w, p, s->broken);
                return true;
        }
        if (op >= 2 * s->pages + 7)
                return print_step(w, p, s->broken);
        switch (op - 2 * s->pages) {
        case 0:
                if (w->epoch == MAX_EPOCHS || w->queued == MAX_QUEUE)
                        return false;
                scan(w, s->pages);
                return true;
        case 1: /* in order */
                if (w->queued == 0)
                        return false;
                take(w, 0);
                hear(w, s->pages, w->last, s->broken);
                return true;
        case 2: /* overtaking */
                if (w->queued < 2)
                        return false;
                take(w, 1);
                hear(w, s->pages, w->last, s->broken);
                return true;
        case 3: /* lost */
                if (w->queued == 0)
                        return false;
                take(w, 0);
                w->last = (struct announcement){0};
                return true;
        case 4: /* twice */
                if (w->last.to == 0)
                        return false;
                hear(w, s->pages, w->last, s->broken);
                return true;
        case 5:
                target_restarts(w);
                return true;
        case 6: /* answer to a resync */
                if (!w->resync || w->queued == MAX_QUEUE || w->processed >= w->epoch)
                        return false;
                w->resync = 0;
                announce(w, since(w, s->pages, (uint8_t)w->processed));
                return true;
        }
        return false;
}

static unsigned op_count(const struct search *s) {
        return 2 * s->pages + 7 + (s->copies ? s->pages : 0);
}

static enum hb_page_state judge(const struct world *w, unsigned p, enum broken broken) {
        struct hb_coherency_page c = w->page[p];

        if (broken == LENIENT && c.stamp != 0 && c.invalid == c.stamp + 1)
                return HB_PAGE_FRESH;
        return hb_coherency_judge(c);
}

static bool equal(const struct world *w, unsigned p) {
        return memcmp(&w->mem[p], &w->image[p], sizeof(struct bytes)) == 0;
}

/* The end: stop, scan, announce what is still on its way (late ones too), let fetches finish. Fresh must be
 * equal; and from here fetching what is not fresh must make everything fresh. Returns false when fooled. */
static bool end_is_right(struct world w, struct search *s) {
        uint8_t f;

        s->ends++;
        w.queued = w.queued == MAX_QUEUE ? MAX_QUEUE - 1 : w.queued;
        scan(&w, s->pages);
        f = w.epoch;
        for (unsigned i = 0; i < w.queued; i++)
                hear(&w, s->pages, w.queue[i], s->broken);
        if (w.processed < f)
                hear(&w, s->pages, since(&w, s->pages, (uint8_t)w.processed), s->broken);
        for (unsigned round = 0; round < 2; round++) {
                uint64_t not_fresh = 0;

                for (unsigned p = 0; p < s->pages; p++) {
                        while (w.fetch[p].phase != IDLE)
                                fetch_step(&w, p, s->broken);
                        if (judge(&w, p, s->broken) == HB_PAGE_FRESH && !equal(&w, p))
                                return false;
                        not_fresh += judge(&w, p, s->broken) != HB_PAGE_FRESH;
                }
                if (round == 1 && s->broken == RIGHT)
                        assert_true(hb_coherency_complete(w.processed, f, not_fresh));
                for (unsigned p = 0; p < s->pages; p++)
                        if (judge(&w, p, s->broken) != HB_PAGE_FRESH)
                                fetch_step(&w, p, s->broken);
        }
        return true;
}

static uint64_t hash(const struct world *w, unsigned depth) {
        const uint8_t *b = (const uint8_t *)w;
        uint64_t h = 0x9E3779B97F4A7C15ull * (depth + 1);

        for (size_t i = 0; i < sizeof(*w); i++)
                h = (h ^ b[i]) * 0x100000001B3ull;
        h ^= h >> 29;
        h *= 0xBF58476D1CE4E5B9ull;
        return (h ^ h >> 32) | 1;
}

static bool seen_before(struct search *s, const struct world *w, unsigned depth) {
        uint64_t h = hash(w, depth);

        for (uint64_t i = h & s->mask;; i = (i + 1) & s->mask) {
                if (s->seen[i] == h)
                        return true;
                if (s->seen[i] == 0) {
                        s->seen[i] = h;
                        s->states++;
                        assert_true(s->states < s->mask - s->mask / 8);
                        return false;
                }
        }
}

static void explore(struct search *s, const struct world *w, unsigned depth) {
        if (s->fooled || seen_before(s, w, depth))
                return;
        if (!end_is_right(*w, s)) {
                s->fooled = true;
                return;
        }
        for (unsigned op = 0; depth > 0 && op < op_count(s); op++) {
                struct world next;

                memcpy(&next, w, sizeof(next));
                if (step(&next, op, s))
                        explore(s, &next, depth - 1);
        }
}

static struct search run(unsigned pages, unsigned depth, bool copies, enum broken broken) {
        struct search s = {.pages = pages, .copies = copies, .broken = broken, .mask = (1u << 23) - 1};
        struct world w;

        memset(&w, 0, sizeof(w));
        for (unsigned p = 0; p < pages; p++)
                w.mem[p] = (struct bytes){{1, 101}};
        w.dirty = (uint8_t)((1u << pages) - 1); /* the first scan reports what is there */
        s.seen = calloc(s.mask + 1, sizeof(*s.seen));
        assert_non_null(s.seen);
        explore(&s, &w, depth);
        free(s.seen);
        return s;
}

static void test_every_short_history_one_page(void **state) {
        struct search s = run(1, 12, false, RIGHT);

        assert_false(s.fooled);
        assert_true(s.states > 100000);
        print_message("%llu states, each played to its end\n", (unsigned long long)s.states);
}

static void test_every_short_history_two_pages(void **state) {
        struct search s = run(2, 10, false, RIGHT);

        assert_false(s.fooled);
        assert_true(s.states > 100000);
        print_message("%llu states, each played to its end\n", (unsigned long long)s.states);
}

static void test_every_short_history_with_copies(void **state) {
        struct search one = run(1, 10, true, RIGHT), two = run(2, 6, true, RIGHT);

        assert_false(one.fooled || two.fooled);
        assert_true(one.states > 100000 && two.states > 10000);
        print_message("%llu and %llu states, each played to its end\n", (unsigned long long)one.states,
                      (unsigned long long)two.states);
}

static void test_the_search_sees_every_breakage(void **state) {
        for (enum broken b = RIGHT + 1; b < BROKEN_KINDS; b++)
                if (!run(1, 9, b == COPIES_LATE, b).fooled)
                        fail_msg("breakage %d was not seen", (int)b);
}

/* Long random histories, 64 pages, straight on the judge's API. */
#define N 64u

struct big {
        uint32_t mem[N], image[N], flight[N], flight_stamp[N], version[N];
        bool dirty[N], flying[N];
        uint32_t epoch, processed;
        struct hb_coherency_page page[N];
        uint64_t rng;
};

static uint32_t rnd(struct big *b, uint32_t n) {
        b->rng ^= b->rng << 13;
        b->rng ^= b->rng >> 7;
        b->rng ^= b->rng << 17;
        return (uint32_t)(b->rng >> 33) % n;
}

static void big_scan(struct big *b) {
        b->epoch++;
        for (unsigned p = 0; p < N; p++)
                if (b->dirty[p])
                        b->version[p] = b->epoch;
        memset(b->dirty, 0, sizeof(b->dirty));
}

static void big_hear(struct big *b, uint32_t from, uint32_t to) {
        if (hb_coherency_accept(b->processed, from, to) != 0)
                return;
        for (unsigned p = 0; p < N; p++) /* what an announcement of (from, to] made now or later may hold */
                if (b->version[p] > from && (b->version[p] <= to || rnd(b, 2)))
                        hb_coherency_invalidate(&b->page[p], to);
        b->processed = to;
}

static void big_land(struct big *b, unsigned p) {
        if (!b->flying[p])
                return;
        b->flying[p] = false;
        b->image[p] = b->flight[p];
        hb_coherency_fetched(&b->page[p], b->flight_stamp[p]);
}

static void big_step(struct big *b) {
        unsigned p = rnd(b, N);

        switch (rnd(b, 8)) {
        case 0:
        case 1:
                b->mem[p]++;
                b->dirty[p] = true;
                break;
        case 2:
                if (b->flying[p] || b->epoch == 0)
                        break;
                hb_coherency_overwriting(&b->page[p]);
                b->image[p] = UINT32_MAX;
                b->flying[p] = true;
                b->flight_stamp[p] = b->epoch;
                b->flight[p] = b->mem[p];
                break;
        case 3: /* the read may be as late as this */
                if (b->flying[p] && rnd(b, 2))
                        b->flight[p] = b->mem[p];
                break;
        case 4:
        case 5:
                big_land(b, p);
                break;
        case 6:
                if (rnd(b, 4) == 0)
                        big_scan(b);
                break;
        case 7:
                if (b->epoch) {
                        uint32_t to = 1 + rnd(b, b->epoch);

                        big_hear(b, rnd(b, 8) ? b->processed : rnd(b, to), rnd(b, 2) ? b->epoch : to);
                }
                break;
        }
}

static void test_long_random_histories(void **state) {
        uint64_t fresh = 0;

        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct big b = {.rng = seed * 0x9E3779B97F4A7C15ull};

                memset(b.dirty, 1, sizeof(b.dirty));
                for (unsigned i = 0; i < 4000; i++)
                        big_step(&b);
                big_scan(&b);
                big_hear(&b, b.processed, b.epoch);
                for (unsigned p = 0; p < N; p++) {
                        big_land(&b, p);
                        if (hb_coherency_judge(b.page[p]) != HB_PAGE_FRESH)
                                continue;
                        assert_int_equal(b.image[p], b.mem[p]);
                        fresh++;
                }
                for (unsigned p = 0; p < N;
                     p++) { /* now that writing has stopped, one fetch each is enough */
                        hb_coherency_overwriting(&b.page[p]);
                        hb_coherency_fetched(&b.page[p], b.epoch);
                        assert_int_equal(hb_coherency_judge(b.page[p]), HB_PAGE_FRESH);
                }
        }
        assert_true(fresh > 300 * N / 8); /* or little was tested */
}

static void test_rules_one_by_one(void **state) {
        struct hb_coherency_page p = {0};

        assert_int_equal(hb_coherency_judge(p), HB_PAGE_ABSENT);
        assert_false(hb_coherency_fetched(&p, 0)); /* no scan yet: nothing to swear by */
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_ABSENT);
        assert_true(hb_coherency_fetched(&p, 5));
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_FRESH);
        hb_coherency_invalidate(&p, 5); /* a write from before the copy */
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_FRESH);
        hb_coherency_invalidate(&p, 6);
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_STALE);
        hb_coherency_invalidate(&p, 3); /* late: never takes anything back */
        assert_int_equal(p.invalid, 6);
        assert_false(hb_coherency_fetched(&p, 4)); /* older than what is there: a peer's error */
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_ABSENT);
        assert_true(hb_coherency_fetched(&p, 4));
        assert_int_equal(hb_coherency_judge(p), HB_PAGE_STALE);

        assert_int_equal(hb_coherency_accept(5, 5, 6), 0);
        assert_int_equal(hb_coherency_accept(5, 3, 6), 0); /* overlapping is harmless */
        assert_int_equal(hb_coherency_accept(5, 4, 5), -EALREADY);
        assert_int_equal(hb_coherency_accept(5, 6, 7), -ESTALE);
        assert_int_equal(hb_coherency_accept(5, 7, 7), -EINVAL);
        assert_int_equal(hb_coherency_accept(5, 8, 7), -EINVAL);

        assert_true(hb_coherency_complete(7, 7, 0));
        assert_false(hb_coherency_complete(6, 7, 0));
        assert_false(hb_coherency_complete(7, 7, 1));
        assert_false(hb_coherency_complete(7, 0, 0));
        assert_string_equal(hb_page_state_name(HB_PAGE_STALE), "stale");
        assert_string_equal(hb_page_state_name((enum hb_page_state)77), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules_one_by_one),
                cmocka_unit_test(test_every_short_history_one_page),
                cmocka_unit_test(test_every_short_history_two_pages),
                cmocka_unit_test(test_every_short_history_with_copies),
                cmocka_unit_test(test_the_search_sees_every_breakage),
                cmocka_unit_test(test_long_random_histories),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
