/* load: writes, reads and checks, each at its own pace.
 * Invariant: state.writes equals the sum of all generations; a check of every page together with that sum
 * finds a page that went back in time even when its generation went back with it. Cost: O(work due) per step,
 * a write 64 bytes plus its count, a checked page one read of it. One thread. */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "content.h"

#define NS      1000000000ull
#define TICK_NS 10000000ull /* a step every 10 ms keeps bursts small against any tracker epoch */
#define ABSENT_NS                                                                                            \
        200000000ull /* longer without a step: the guest was stopped; forget the debt of that time */

/* Data pages that fit together with their generations. */
static uint64_t data_pages(uint64_t mb) {
        uint64_t all = (mb << 20) / LOAD_PAGE;
        uint64_t per = LOAD_PAGE / sizeof(uint32_t);

        return all - (all + per) / (per + 1);
}

static uint32_t *generation_of(const struct load *l, uint64_t page) {
        return (uint32_t *)(void *)l->memory + page;
}

static uint64_t *words_of(const struct load *l, uint64_t page) {
        uint64_t first = (l->state.params.mb << 20) / LOAD_PAGE - l->state.pages;

        return (uint64_t *)(void *)(l->memory + (first + page) * LOAD_PAGE);
}

static uint64_t random_below(struct load_state *s, uint64_t n) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        return (uint64_t)(((unsigned __int128)s->random * n) >> 64);
}

int load_start(struct load *l, const struct load_params *params, void *memory) {
        struct load_state *s = &l->state;

        if (params->mb == 0 || params->mb > (1u << 20))
                return -EINVAL;
        memset(l, 0, sizeof(*l));
        s->magic = LOAD_MAGIC;
        s->size = sizeof(*s);
        s->params = *params;
        s->pages = data_pages(params->mb);
        s->random = params->seed * 2 + 1;
        l->memory = memory;
        memset(l->memory, 0, (params->mb << 20) - s->pages * LOAD_PAGE);
        for (uint64_t i = 0; i < s->pages; i++)
                content_fill(words_of(l, i), (uint32_t)i);
        return 0;
}

int load_resume(struct load *l, const void *state, size_t bytes, void *memory) {
        struct load_state s;

        if (bytes != sizeof(s))
                return -EINVAL;
        memcpy(&s, state, sizeof(s));
        if (s.magic != LOAD_MAGIC || s.size != sizeof(s) || s.params.mb == 0 || s.params.mb > (1u << 20) ||
            s.pages != data_pages(s.params.mb) || s.random == 0 || s.verify_next > s.pages ||
            s.hot_base >= s.pages || s.sweep >= s.pages)
                return -EINVAL;
        *l = (struct load){.state = s, .memory = memory};
        return 0;
}

static uint64_t hot_pages(const struct load_state *s) {
        uint64_t n = s->pages * s->params.hot / 100;

        return n ? n : 1;
}

/* The page's bytes stay, its frame does not. Where the memory cannot do it nothing happens. */
static void renew_page(uint64_t *words) {
        uint8_t bytes[LOAD_PAGE];

        memcpy(bytes, words, LOAD_PAGE);
        if (madvise(words, LOAD_PAGE, MADV_REMOVE) == 0)
                memcpy(words, bytes, LOAD_PAGE);
}

static void write_one(struct load *l) {
        struct load_state *s = &l->state;
        uint64_t page;

        if (random_below(s, 100) < s->params.hot_writes)
                page = (s->hot_base + random_below(s, hot_pages(s))) % s->pages;
        else
                page = random_below(s, s->pages);
        if (s->params.renew && random_below(s, 100) < s->params.renew)
                renew_page(words_of(l, page));
        content_write(words_of(l, page), (uint32_t)page, ++*generation_of(l, page));
        s->writes++;
        if (page < s->verify_next)
                s->verify_sum++;
}

/* A sweep through everything, and a set half a memory away from the writers' that is read at random. */
static void read_one(struct load *l) {
        struct load_state *s = &l->state;
        uint64_t page;

        if (s->reads++ % 2) {
                page = s->sweep;
                s->sweep = (s->sweep + 1) % s->pages;
        } else {
                page = (s->hot_base + s->pages / 2 + random_below(s, hot_pages(s))) % s->pages;
        }
        if (words_of(l, page)[0] >> 32 != page)
                s->bad++;
}

static bool page_bad(struct load *l, uint64_t page) {
        struct load_state *s = &l->state;
        uint32_t want = *generation_of(l, page), found = 0;
        int record = content_check(words_of(l, page), (uint32_t)page, want, &found);

        s->verified++;
        if (record < 0)
                return false;
        s->bad++;
        s->last_bad = (struct load_fault){.page = (uint32_t)page,
                                          .want_generation = want,
                                          .found_generation = found,
                                          .record = (uint32_t)record};
        return true;
}

static void pass_finish(struct load_state *s) {
        if (s->verify_sum != s->writes)
                s->lost++;
        s->passes++;
        s->last_pass_bad = s->pass_bad;
        s->pass_bad = 0;
        s->verify_next = 0;
        s->verify_sum = 0;
}

/* One page of the running pass. Pages written behind it are accounted by write_one(), so the sum is exact at
 * its end. */
static void verify_one(struct load *l) {
        struct load_state *s = &l->state;
        uint64_t page = s->verify_next;

        s->pass_bad += page_bad(l, page);
        s->verify_sum += *generation_of(l, page);
        s->verify_next = page + 1;
        if (s->verify_next == s->pages)
                pass_finish(s);
}

/* Whole pages due after `ns` more at `rate` a second; the remainder stays in *debt. */
static uint64_t due(uint64_t *debt, uint64_t rate, uint64_t ns) {
        uint64_t n;

        *debt += rate * ns;
        n = *debt / NS;
        *debt %= NS;
        return n;
}

static uint64_t verify_rate(const struct load_state *s) {
        return s->params.verify_s ? s->pages / s->params.verify_s + 1 : 0;
}

static void shift_hot(struct load_state *s, uint64_t before_ns) {
        uint64_t period = s->params.shift_s * NS;

        if (period && before_ns / period != s->running_ns / period)
                s->hot_base = (s->hot_base + hot_pages(s) / 8 + 1) % s->pages;
}

/* Time since the last step; what exceeds ABSENT_NS is not worked off, but its writes are counted as dropped.
 */
static uint64_t step_time(struct load *l, uint64_t now_ns) {
        struct load_state *s = &l->state;
        uint64_t ns = l->last_ns && now_ns > l->last_ns ? now_ns - l->last_ns : 0;

        l->last_ns = now_ns;
        if (ns > s->max_gap_ns)
                s->max_gap_ns = ns;
        if (ns <= ABSENT_NS)
                return ns;
        s->dropped += (ns - ABSENT_NS) / 1000000 * s->params.rate / 1000;
        return ABSENT_NS;
}

uint64_t load_step(struct load *l, uint64_t now_ns) {
        struct load_state *s = &l->state;
        uint64_t ns = step_time(l, now_ns), before = s->running_ns, n;

        s->steps++;
        s->running_ns += ns;
        shift_hot(s, before);
        for (n = due(&s->write_debt, s->params.rate, ns); n; n--)
                write_one(l);
        for (n = due(&s->read_debt, s->params.reads, ns); n; n--)
                read_one(l);
        for (n = due(&s->verify_debt, verify_rate(s), ns); n; n--)
                verify_one(l);
        return TICK_NS;
}

uint64_t load_verify_all(struct load *l) {
        struct load_state *s = &l->state;
        uint64_t bad = 0, sum = 0;

        for (uint64_t i = 0; i < s->pages; i++) {
                bad += page_bad(l, i);
                sum += *generation_of(l, i);
        }
        if (sum != s->writes) {
                s->lost++;
                bad++;
        }
        return bad;
}

uint64_t load_take_gap(struct load *l) {
        uint64_t ns = l->state.max_gap_ns;

        l->state.max_gap_ns = 0;
        return ns;
}
