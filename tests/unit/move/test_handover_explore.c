/* Both roles of the table against each other, in every order things can happen.
 *
 * The world: two daemons that crash and recover from their journals at any moment, two VMMs that die, journal
 * writes that fail, actions that fail or are left while running, and a network in which every message ever
 * sent may still arrive, any number of times, in any order, or never (so: late, twice, lost). Links break and
 * come back, operators abort and time-outs fire whenever. Every reachable state is checked: at most one copy
 * runs; what runs on the target is whole; after OWNED the source never runs. And from every reachable state
 * fair weather leads to the end: one copy runs, unless a VMM's own death took it, and nothing is left over.
 */
#include "move/handover.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* after the rest: it needs it */

#include "explore.inc"

/* ---- fair weather ---- */

static bool fair_feed(struct world *w, enum hb_role r, enum hb_ho_event ev) {
        const struct hb_ho_transition *t = next_row(w->side[r].state, ev);

        if (t)
                enter(&w->side[r], t, true);
        return t != NULL;
}

static bool fair_act(struct world *w, enum hb_role r) {
        struct side *s = &w->side[r];
        enum hb_ho_action a = next_action(s);
        enum outcome o;

        if (s->act == FED)
                return false;
        if (a == HB_ACT_NONE) {
                s->act = FED;
                fair_feed(w, r, HB_EV_OK);
                return true;
        }
        o = perform(w, r, a);
        if (o == DONE)
                s->act++;
        else if (!fair_feed(w, r, failure(w, r, o)))
                s->act = FED;
        return true;
}

static bool fair_message(struct world *w, enum hb_role r) {
        for (int e = 0; e < HB_HO_EVENTS; e++) {
                if (!(w->sent[!r] & 1u << e))
                        continue;
                w->sent[!r] &= ~(1u << e);
                if (e == HB_EV_RECOVER)
                        answer(w, r);
                else if (e == HB_EV_START && w->side[1].state == NOBODY && w->side[1].record == NOBODY)
                        start_target(w);
                else if (e != HB_EV_START && live(&w->side[r]))
                        fair_feed(w, r, e);
                return true;
        }
        return false;
}

static bool fair_notice(struct world *w, enum hb_role r) {
        bool vmm_dead = r == HB_ROLE_SOURCE ? w->guest == G_DEAD : w->vmm == V_GONE;

        return vmm_dead && fair_feed(w, r, HB_EV_VMM_GONE);
}

static bool fair_step(struct world *w, enum hb_role first) {
        for (int i = 0; i < 2; i++) {
                enum hb_role r = i ? !first : first;

                if (live(&w->side[r]) && (fair_act(w, r) || fair_notice(w, r)))
                        return true;
                if (fair_message(w, r))
                        return true;
        }
        for (int i = 0; i < 2; i++)
                if (live(&w->side[i]) && hb_ho_timeout_ms(w->side[i].state) > 0 &&
                    fair_feed(w, i, HB_EV_TIMEOUT))
                        return true;
        return false;
}

static void check_end(const struct world *w, const char *how) {
        bool s_runs = w->guest == G_RUNS, t_runs = w->vmm == V_RUNS;

        if (live(&w->side[0]) || live(&w->side[1]))
                violated("does not come to an end", w, how);
        if (!w->died_s && !w->died_t && s_runs == t_runs)
                violated("nobody runs it, or both", w, how);
        if (!w->died_s && !s_runs && !t_runs && !w->owned)
                violated("the source's copy is whole and stands still", w, how);
        if (!w->died_t && w->owned && !t_runs)
                violated("taken, and stands still", w, how);
        if (w->owned && w->died_t && !t_runs && (w->guest == G_FROZEN))
                violated("state sent and yet not", w, how);
        if (w->vmm == V_WAITS || w->vmm == V_LOADED)
                violated("a waiting VMM is left over on the target", w, how);
        if (t_runs && (w->guest == G_FROZEN || w->guest == G_SENT))
                violated("a frozen copy is left over on the source", w, how);
}

static void fair_weather(const struct world *w, bool forget, enum hb_role first) {
        struct world x = *w;

        if (forget)
                x.sent[0] = x.sent[1] = 0;
        for (int r = 0; r < 2; r++)
                if (!x.side[r].up)
                        recover(&x, r, true);
        for (int i = 0; i < 300 && fair_step(&x, first); i++)
                check(&x, "fair weather");
        check_end(&x, forget ? "fair weather, nothing in flight" : "fair weather, with what is in flight");
}

/* ---- the tests ---- */

static void test_explore(void **state) {
        struct world w = {.side = {{.up = 1, .state = NOBODY, .record = NOBODY, .row = NOBODY, .act = FED},
                                   {.up = 1, .state = NOBODY, .record = NOBODY, .row = NOBODY, .act = FED}}};
        size_t rows;

        table = hb_ho_table(&rows);
        assert_true(rows < FED);
        for (int i = 0; i < HB_HO_STATES; i++)
                for (int e = 0; e < HB_HO_EVENTS; e++)
                        rows_of[i][e] = hb_ho_next(i, e);
        enter(&w.side[0], next_row(HB_S_PREPARE, HB_EV_START), true);
        visit(&w, "start");
        for (from = 0; from < nseen; from++) {
                struct world x = seen[from];

                expand(&x);
        }
        printf("%llu worlds\n", (unsigned long long)nseen);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAIR_EVERY 31u /* the plain build goes through all of them; here only the accesses are watched */
#else
#define FAIR_EVERY 1u
#endif

static void test_fair_weather_from_everywhere(void **state) {
        for (from = 0; from < nseen; from += FAIR_EVERY) {
                fair_weather(&seen[from], true, HB_ROLE_SOURCE);
                fair_weather(&seen[from], false, HB_ROLE_TARGET);
        }
}

/* What the exploration has been through: every row of the table, both ends, and both deaths. */
static void test_nothing_was_left_out(void **state) {
        bool used[256] = {0}, done = false, kept = false, refused = false;
        size_t rows;

        hb_ho_table(&rows);
        for (uint64_t i = 0; i < nseen; i++) {
                for (int r = 0; r < 2; r++)
                        if (seen[i].side[r].row != NOBODY)
                                used[seen[i].side[r].row] = true;
                done |= seen[i].side[0].state == HB_S_DONE && seen[i].vmm == V_RUNS;
                kept |= seen[i].side[0].state == HB_S_KEPT;
                refused |= seen[i].side[0].state == HB_S_ABORTED && seen[i].side[1].state == HB_T_ABORTED;
        }
        /* Rows the world above has no use for: recovery from states that are never recorded, and what nobody
         * does there today. */
        for (size_t i = 0; i < rows; i++) {
                enum hb_ho_event on = table[i].on;

                if (!used[i] && on != HB_EV_RECOVER && on != HB_EV_FAIL && on != HB_EV_TIMEOUT &&
                    on != HB_EV_MSG_ABORT && on != HB_EV_MSG_REFUSED && on != HB_EV_VERDICT_ABORTED)
                        fail_msg("never taken: %s on %s", hb_ho_state_name(table[i].from),
                                 hb_ho_event_name(on));
        }
        assert_true(done && kept && refused);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_explore),
                cmocka_unit_test(test_fair_weather_from_everywhere),
                cmocka_unit_test(test_nothing_was_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
