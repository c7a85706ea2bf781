/* plugin_model: what the network foresees, asked by a policy (pages:model). Of pages in a part of memory that
 * nobody was ever seen in, neighbouring blocks included, it knows nothing: they get zeros at no cost, so that
 * a large guest with little in use costs what is in use.
 *
 * Asking calls malloc, so it stands under the guard's shield, and is done in pieces of a millisecond at most
 * with a look at the clock between them: a policy that asks in a loop is stopped at its deadline like any
 * other. Answers are kept for the call. */
#include "nn/model.h"
#include "policy/plugin_columns.h"
#include "policy/vec.h"
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define MAX_HORIZON_S 3600.0
#define PIECE_PAGES   256u
#define PIECE_BLOCKS  8u
#define OUT           4

static const char answers_key = 0; /* in the registry: horizon -> list of four vectors, of this call */

static uint32_t block_of(const struct hb_policy_pages *pages, uint32_t i) {
        return pages->gfn[i] >> HB_BLOCK_SHIFT;
}

static bool known(const hb_history *h, uint32_t block) {
        return hb_history_block_known(h, block) || hb_history_block_known(h, block + 1ull) ||
               (block && hb_history_block_known(h, block - 1));
}

/* Pages from `at` on that are asked about at once; 0: the block at `at` is of an unknown part. */
static uint32_t piece(const struct hb_policy_pages *pages, uint32_t at) {
        uint32_t n = 0, blocks = 0;

        for (; at + n < pages->n && n < PIECE_PAGES; n++) {
                if (n && block_of(pages, at + n) == block_of(pages, at + n - 1))
                        continue;
                if (blocks++ == PIECE_BLOCKS || !known(pages->history, block_of(pages, at + n)))
                        break;
        }
        return n;
}

static uint32_t rest_of_block(const struct hb_policy_pages *pages, uint32_t at) {
        uint32_t n = 1;

        while (at + n < pages->n && block_of(pages, at + n) == block_of(pages, at))
                n++;
        return n;
}

static void ask(lua_State *L, const hb_plugin *p, const struct hb_policy_pages *pages, double horizon_s,
                float *const out[OUT]) {
        for (uint32_t at = 0, n; at < pages->n; at += n) {
                struct hb_model_answer answer = {out[0] + at, out[1] + at, out[2] + at, out[3] + at};
                int rc;

                n = piece(pages, at);
                hb_sandbox_look_at_clock(L);
                if (!n) {
                        n = rest_of_block(pages, at);
                        continue;
                }
                hb_sandbox_shield(L);
                rc = hb_model_ask(p->model, pages->history, pages->window, horizon_s, pages->gfn + at, n,
                                  &answer);
                hb_sandbox_unshield(L);
                if (rc < 0)
                        luaL_error(L, "model: the host has not enough memory");
        }
}

/* The dry run's model: legal values, in an order that no real one has. */
static void make_up(uint32_t n, double horizon_s, float *const out[OUT]) {
        static const float chances[] = {0, 1, 0.5f, 1e-30f, 0.999999f, 0.25f};

        for (uint32_t i = 0; i < n; i++)
                for (unsigned k = 0; k < OUT; k++)
                        out[k][i] = chances[(i + k) % 6] * (k < 2 ? 1.0f : (float)horizon_s);
}

static int push_answers(lua_State *L, int list) {
        for (int k = 1; k <= OUT; k++)
                lua_rawgeti(L, list, k);
        return OUT;
}

/* The table of this call's answers, made when the pages are others than last time. */
static void push_cache(lua_State *L) {
        bool same;

        if (lua_rawgetp(L, LUA_REGISTRYINDEX, &answers_key) == LUA_TTABLE) {
                lua_rawgeti(L, -1, 0); /* the pages they are of */
                same = lua_rawequal(L, -1, 1);
                lua_pop(L, 1);
                if (same)
                        return;
        }
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, 1);
        lua_rawseti(L, -2, 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &answers_key);
}

int hb_plugin_m_model(lua_State *L) {
        const hb_plugin *p = hb_plugin_of_method(L);
        const struct hb_policy_pages *pages = hb_plugin_check_pages(L);
        double horizon_s = luaL_checknumber(L, 2);
        float *out[OUT];

        hb_plugin_check_history(L, "model");
        if (!(horizon_s > 0 && horizon_s <= MAX_HORIZON_S))
                return luaL_error(L, "model: the horizon must be above 0 and at most %d s",
                                  (int)MAX_HORIZON_S);
        if (!p->model && !p->trying)
                return 0;
        lua_settop(L, 2);
        push_cache(L);
        lua_pushvalue(L, 2);
        if (lua_rawget(L, 3) == LUA_TTABLE)
                return push_answers(L, 4);
        lua_pop(L, 1);
        lua_createtable(L, OUT, 0);
        for (int k = 0; k < OUT; k++) {
                out[k] = hb_vec_push_new(L, pages->n);
                memset(out[k], 0, pages->n * sizeof *out[k]);
                lua_rawseti(L, 4, k + 1);
        }
        if (p->trying)
                make_up(pages->n, horizon_s, out);
        else if (pages->history && pages->gfn)
                ask(L, p, pages, horizon_s, out);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 4);
        lua_rawset(L, 3);
        return push_answers(L, 4);
}
