/* plugin_past: columns made of the history of each page.
 *
 * The pages' words are read once a call and kept; all columns come from them. A bit of a word stands for one
 * window, or for a span of windows when it is older (map/history.h): then "accessed" holds for the span as a
 * whole. Cost: about 20 ns a page for the words, 2 to 30 ns a page and column. */
#include "policy/plugin_columns.h"
#include "policy/vec_push.h"
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define WINDOW_S  ((double)HB_HISTORY_WINDOW_NS / 1e9)
#define NEVER_S   1e9f
#define LOOK      4096u /* pages between two looks at the clock */
#define AROUND    10u   /* windows */
#define LONG_GONE 2u    /* windows without an access that make an absence */

static const char past_key = 0;

struct past {
        uint32_t from[HB_HISTORY_BITS], to[HB_HISTORY_BITS]; /* the windows of each bit */
        struct hb_history_page page[];
};

static bool has_history(const struct hb_policy_pages *pages) {
        return pages->history && pages->gfn;
}

static struct past *read_past(lua_State *L, const struct hb_policy_pages *pages) {
        size_t size = sizeof(struct past) + pages->n * sizeof(struct hb_history_page);
        struct past *p = lua_newuserdatauv(L, size, 0);

        for (unsigned b = 0; b < HB_HISTORY_BITS; b++)
                hb_history_bit_age(b, pages->window, &p->from[b], &p->to[b]);
        if (!has_history(pages))
                memset(p->page, 0, pages->n * sizeof *p->page);
        for (uint32_t i = 0; i < pages->n && has_history(pages); i++) {
                hb_history_page(pages->history, pages->gfn[i], pages->window, &p->page[i]);
                if (i % LOOK == LOOK - 1)
                        hb_sandbox_look_at_clock(L);
        }
        return p;
}

static const struct past *past_of(lua_State *L, const struct hb_policy_pages *pages) {
        struct past *p;

        lua_rawgetp(L, LUA_REGISTRYINDEX, &past_key);
        p = lua_touserdata(L, -1);
        if (!p) {
                p = read_past(L, pages);
                lua_rawsetp(L, LUA_REGISTRYINDEX, &past_key);
        }
        lua_pop(L, 1);
        return p;
}

void hb_plugin_forget_past(lua_State *L) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &past_key);
}

/* ---- counts and ages ---- */

static void make_seen(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++)
                v[i] = p->page[i].times;
}

static void make_written(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++)
                v[i] = p->page[i].times_written;
}

static void make_first(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++) {
                uint32_t first = p->page[i].first;
                v[i] = first ? (float)(WINDOW_S * (pages->window > first ? pages->window - first : 0))
                             : NEVER_S;
        }
}

/* ---- absences: windows between two accesses, with none in them ---- */

struct absences {
        uint32_t count;
        double sum, squares; /* of their lengths in windows */
};

static struct absences absences_of(const struct past *p, uint64_t word) {
        struct absences a = {0};
        unsigned newer;

        if (!word)
                return a;
        newer = (unsigned)__builtin_ctzll(word);
        for (word &= word - 1; word; word &= word - 1) {
                unsigned older = (unsigned)__builtin_ctzll(word);
                uint32_t gap = p->from[older] - p->to[newer];
                newer = older;
                if (gap < LONG_GONE)
                        continue;
                a.count++;
                a.sum += gap;
                a.squares += (double)gap * gap;
        }
        return a;
}

enum absence_figure { RETURNS, MEAN, DEVIATION };

static float figure_of(const struct absences *a, enum absence_figure which) {
        double mean = a->count ? a->sum / a->count : 0, spread;

        if (which == RETURNS)
                return (float)a->count;
        if (which == MEAN)
                return (float)(mean * WINDOW_S);
        spread = a->count ? a->squares / a->count - mean * mean : 0;
        return spread > 0 ? (float)(sqrt(spread) * WINDOW_S) : 0.0f;
}

static void make_absences(lua_State *L, const struct hb_policy_pages *pages, const struct past *p,
                          enum absence_figure which) {
        float *v = hb_vec_push_call(L, pages->n);

        for (uint32_t i = 0; i < pages->n; i++) {
                struct absences a = absences_of(p, p->page[i].seen);
                v[i] = figure_of(&a, which);
                if (i % LOOK == LOOK - 1)
                        hb_sandbox_look_at_clock(L);
        }
}

static void make_returns(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        make_absences(L, pages, p, RETURNS);
}

static void make_gap(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        make_absences(L, pages, p, MEAN);
}

static void make_gap_dev(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        make_absences(L, pages, p, DEVIATION);
}

/* ---- neighbours ---- */

static uint32_t active_pages(const struct hb_policy_pages *pages, uint64_t block) {
        struct hb_history_counts c[AROUND];
        uint32_t windows = 0, last = 0, active = 0;
        uint64_t end = hb_history_pages(pages->history);

        hb_history_block(pages->history, block, pages->window, AROUND, c);
        for (unsigned w = 0; w < AROUND; w++)
                if (c[w].seen) {
                        windows++;
                        last = c[w].seen;
                }
        if (windows < 2)
                return last; /* those of one window are different pages: no need to look at each */
        for (uint64_t g = block << HB_BLOCK_SHIFT; g < (block + 1) << HB_BLOCK_SHIFT && g < end; g++) {
                struct hb_history_page page;
                hb_history_page(pages->history, g, pages->window, &page);
                active += hb_history_within(page.seen, AROUND);
        }
        return active;
}

static void make_around(lua_State *L, const struct hb_policy_pages *pages, const struct past *p) {
        float *v = hb_vec_push_call(L, pages->n), share = 0;
        uint64_t block = UINT64_MAX;

        for (uint32_t i = 0; i < pages->n; i++) {
                if (has_history(pages) && pages->gfn[i] >> HB_BLOCK_SHIFT != block) {
                        block = pages->gfn[i] >> HB_BLOCK_SHIFT;
                        hb_sandbox_look_at_clock(L);
                        share = (float)active_pages(pages, block) / (float)HB_BLOCK_PAGES;
                }
                v[i] = share;
        }
}

static const struct {
        const char *name;
        void (*make)(lua_State *L, const struct hb_policy_pages *pages, const struct past *p);
} columns[] = {{"seen", make_seen},       {"written", make_written}, {"first_s", make_first},
               {"returns", make_returns}, {"gap_s", make_gap},       {"gap_dev_s", make_gap_dev},
               {"around", make_around}};

bool hb_plugin_make_past(lua_State *L, const struct hb_policy_pages *pages, const char *name) {
        for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++)
                if (!strcmp(columns[i].name, name)) {
                        hb_plugin_check_history(L, name);
                        columns[i].make(L, pages, past_of(L, pages));
                        return true;
                }
        return false;
}

/* ---- pages:active(from_s, to_s): share of the windows in [from, to) before now that have an access ---- */

struct shares { /* of each byte of a word, what its bits together are worth */
        float of[8][256];
};

static double overlap(double from, double to, double low, double high) {
        double a = from > low ? from : low, b = to < high ? to : high;
        return b > a ? b - a : 0;
}

static void weigh(const struct past *p, double from, double to, struct shares *s) {
        for (unsigned byte = 0; byte < 8; byte++) {
                s->of[byte][0] = 0;
                for (unsigned bits = 1; bits < 256; bits++) {
                        unsigned b = byte * 8 + (unsigned)__builtin_ctz(bits);
                        s->of[byte][bits] = s->of[byte][bits & (bits - 1)] +
                                            (float)(overlap(from, to, p->from[b], p->to[b]) / (to - from));
                }
        }
}

/* Index 1 the pages, 2 and 3 the times. */
static int push_active(lua_State *L, bool writes) {
        const struct hb_policy_pages *pages = hb_plugin_check_pages(L);
        double from = luaL_checknumber(L, 2) / WINDOW_S, to = luaL_checknumber(L, 3) / WINDOW_S;
        const struct past *p;
        struct shares s;
        float *v;

        hb_plugin_check_history(L, writes ? "active_writes" : "active");
        if (!(from >= 0 && to > from && isfinite(to)))
                return luaL_error(L, "active: from must be 0 or more, and to above it (seconds ago)");
        p = past_of(L, pages);
        v = hb_vec_push_call(L, pages->n);
        to = to < HB_HISTORY_WINDOWS ? to : HB_HISTORY_WINDOWS; /* nothing is known beyond */
        if (to <= from) {
                memset(v, 0, pages->n * sizeof *v);
                return 1;
        }
        weigh(p, from, to, &s);
        for (uint32_t i = 0; i < pages->n; i++) {
                uint64_t word = writes ? p->page[i].written : p->page[i].seen;
                float share = 0;
                for (unsigned byte = 0; byte < 8 && word; byte++, word >>= 8)
                        share += s.of[byte][word & 255];
                v[i] = share;
        }
        return 1;
}

int hb_plugin_m_active(lua_State *L) {
        return push_active(L, false);
}

int hb_plugin_m_active_writes(lua_State *L) {
        return push_active(L, true);
}
