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

#pragma GCC optimize("O2") /* some hundred million steps, in every build */

#define NOBODY 0xff /* no hand-over in this daemon, no record, or no row */
#define FED    0xfe

enum guest { G_RUNS, G_FROZEN, G_SENT /* frozen, state written */, G_DEAD, G_QUIT };
enum vmm { V_NONE, V_WAITS, V_LOADED, V_RUNS, V_GONE };

struct side {
        uint8_t up, state, record;
        uint8_t row; /* of the table, which it was entered by */
        uint8_t act; /* next action of that row; FED: the outcome has been fed */
};

struct world {
        struct side side[2];                              /* by role */
        uint8_t guest, vmm, whole, owned, died_s, died_t; /* 24 bytes without a hole: compared as memory */
        uint32_t sent[2]; /* messages ever sent by this role, a bit an event */
};

/* ---- set of worlds seen, and where each came from ---- */

static struct world *seen;
static uint32_t *parent;
static const char **why;
static uint64_t nseen, cap;
static uint32_t *slots;
static uint64_t nslots;

static uint64_t hash(const struct world *w) {
        uint64_t v[3], h = 0;

        static_assert(sizeof(v) == sizeof(*w), "all of it");
        memcpy(v, w, sizeof(v));
        for (int i = 0; i < 3; i++)
                h = (h ^ v[i]) * 0x9e3779b97f4a7c15ull, h ^= h >> 32;
        return h;
}

static void grow(void) {
        cap = cap ? cap * 2 : 1 << 16;
        seen = realloc(seen, cap * sizeof(*seen));
        parent = realloc(parent, cap * sizeof(*parent));
        why = realloc(why, cap * sizeof(*why));
        nslots = cap * 2;
        free(slots);
        slots = calloc(nslots, sizeof(*slots));
        assert_true(seen && parent && why && slots);
        for (uint64_t i = 0; i < nseen; i++) {
                uint64_t k = hash(&seen[i]) % nslots;

                while (slots[k])
                        k = (k + 1) % nslots;
                slots[k] = (uint32_t)i + 1;
        }
}

static uint32_t from; /* the world being expanded */

static void print_world(const struct world *w) {
        printf("  S %-10s rec %-10s act %u%s | T %-10s rec %-10s act %u%s | guest %u vmm %u whole %u owned "
               "%u sent %x/%x\n",
               w->side[0].state == NOBODY ? "-" : hb_ho_state_name(w->side[0].state),
               w->side[0].record == NOBODY ? "-" : hb_ho_state_name(w->side[0].record), w->side[0].act,
               w->side[0].up ? "" : " DOWN",
               w->side[1].state == NOBODY ? "-" : hb_ho_state_name(w->side[1].state),
               w->side[1].record == NOBODY ? "-" : hb_ho_state_name(w->side[1].record), w->side[1].act,
               w->side[1].up ? "" : " DOWN", w->guest, w->vmm, w->whole, w->owned, w->sent[0], w->sent[1]);
}

static void story(uint32_t i) {
        if (parent[i] != i)
                story(parent[i]);
        printf("%s\n", why[i]);
        print_world(&seen[i]);
}

static void violated(const char *what, const struct world *w, const char *step) {
        story(from);
        printf("%s\n", step);
        print_world(w);
        fail_msg("%s", what);
}

static void check(const struct world *w, const char *step) {
        if (w->guest == G_RUNS && w->vmm == V_RUNS)
                violated("two copies run", w, step);
        if (w->vmm == V_RUNS && !w->whole)
                violated("runs on the target without being whole", w, step);
        if (w->owned && w->guest == G_RUNS)
                violated("runs on the source after OWNED", w, step);
}

static void visit(const struct world *w, const char *step) {
        uint64_t k;

        check(w, step);
        if (nseen + 1 >= cap)
                grow();
        for (k = hash(w) % nslots; slots[k]; k = (k + 1) % nslots)
                if (memcmp(&seen[slots[k] - 1], w, sizeof(*w)) == 0)
                        return;
        slots[k] = (uint32_t)nseen + 1;
        seen[nseen] = *w;
        parent[nseen] = nseen ? from : 0;
        why[nseen++] = step;
}

/* ---- what happens in a world ---- */

enum outcome { DONE, FAILED, VMM_DEAD };

static void send_event(struct world *w, enum hb_role r, enum hb_ho_event ev) {
        w->sent[r] |= 1u << ev;
}

static enum outcome perform_source(struct world *w, enum hb_ho_action a) {
        bool dead = w->guest == G_DEAD || w->guest == G_QUIT;

        switch (a) {
        case HB_ACT_SEND_PREPARE:
                send_event(w, HB_ROLE_SOURCE, HB_EV_START);
                return DONE;
        case HB_ACT_SEND_FREEZE:
                send_event(w, HB_ROLE_SOURCE, HB_EV_MSG_FREEZE);
                return DONE;
        case HB_ACT_SEND_STATE_END:
                send_event(w, HB_ROLE_SOURCE, HB_EV_MSG_STATE_END);
                return DONE;
        case HB_ACT_SEND_COMMIT:
                send_event(w, HB_ROLE_SOURCE, HB_EV_MSG_COMMIT);
                return DONE;
        case HB_ACT_SEND_ABORT:
                send_event(w, HB_ROLE_SOURCE, HB_EV_MSG_ABORT);
                return DONE;
        case HB_ACT_CHECK_SOURCE:
        case HB_ACT_CONVERGE:
                return dead ? VMM_DEAD : DONE;
        case HB_ACT_FREEZE:
                if (!dead)
                        w->guest = G_FROZEN;
                return dead ? VMM_DEAD : DONE;
        case HB_ACT_SEND_STATE:
                if (dead || w->guest != G_FROZEN)
                        return dead ? VMM_DEAD : FAILED;
                w->guest = G_SENT;
                return DONE;
        case HB_ACT_THAW:
                if (!dead)
                        w->guest = G_RUNS;
                return dead ? VMM_DEAD : DONE;
        case HB_ACT_QUIT_VMM:
                w->guest = w->guest == G_DEAD ? G_DEAD : G_QUIT;
                return DONE;
        case HB_ACT_JOURNAL_RELEASED:
                w->side[0].record = HB_S_RELEASE;
                return DONE;
        default:
                return DONE;
        }
}

static enum outcome perform_target(struct world *w, enum hb_ho_action a) {
        bool gone = w->vmm == V_GONE || w->vmm == V_NONE;

        switch (a) {
        case HB_ACT_SEND_PREPARED:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_PREPARED);
                return DONE;
        case HB_ACT_SEND_COMPLETE:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_COMPLETE);
                return DONE;
        case HB_ACT_SEND_LOADED:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_LOADED);
                return DONE;
        case HB_ACT_SEND_COMMITTED:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_COMMITTED);
                return DONE;
        case HB_ACT_SEND_REFUSED:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_REFUSED);
                return DONE;
        case HB_ACT_SEND_ABORTED:
                send_event(w, HB_ROLE_TARGET, HB_EV_MSG_ABORTED);
                return DONE;
        case HB_ACT_SEND_DEAD:
                send_event(w, HB_ROLE_TARGET, HB_EV_VERDICT_DEAD);
                return DONE;
        case HB_ACT_START_VMM:
                w->vmm = w->died_t ? V_GONE : V_WAITS;
                return w->died_t ? VMM_DEAD : DONE;
        case HB_ACT_RECEIVE_START:
                return gone ? VMM_DEAD : DONE;
        case HB_ACT_COMPLETE_IMAGE:
                w->whole = w->guest != G_RUNS;
                return w->whole ? DONE : FAILED;
        case HB_ACT_RECEIVE_STATE:
                if (gone || !w->whole)
                        return gone ? VMM_DEAD : FAILED;
                w->vmm = V_LOADED;
                return DONE;
        case HB_ACT_CHECK_LOADED:
                return w->vmm == V_LOADED || w->vmm == V_RUNS ? DONE : gone ? VMM_DEAD : FAILED;
        case HB_ACT_RESUME:
                if (!gone)
                        w->vmm = V_RUNS;
                return gone ? VMM_DEAD : DONE;
        case HB_ACT_QUIT_VMM:
                w->vmm = V_GONE;
                return DONE;
        case HB_ACT_JOURNAL_LOADED:
                w->side[1].record = HB_T_JOURNAL;
                return DONE;
        case HB_ACT_JOURNAL_OWNED:
                w->side[1].record = HB_T_TAKE;
                w->owned = 1;
                return DONE;
        case HB_ACT_JOURNAL_REFUSED:
                w->side[1].record = HB_T_REFUSE;
                return DONE;
        default:
                return DONE;
        }
}

static enum outcome perform(struct world *w, enum hb_role r, enum hb_ho_action a) {
        if (a == HB_ACT_SEND_QUERY) {
                send_event(w, r, HB_EV_RECOVER); /* RECOVER never travels: its bit stands for QUERY */
                return DONE;
        }
        return r == HB_ROLE_SOURCE ? perform_source(w, a) : perform_target(w, a);
}

static const struct hb_ho_transition *table;
static const struct hb_ho_transition *rows_of[HB_HO_STATES][HB_HO_EVENTS]; /* hb_ho_next, looked up once */

static const struct hb_ho_transition *next_row(uint8_t state, enum hb_ho_event ev) {
        return state < HB_HO_STATES ? rows_of[state][ev] : NULL;
}

static bool live(const struct side *s) {
        return s->up && s->state != NOBODY && !hb_ho_terminal(s->state);
}

static enum hb_ho_action next_action(const struct side *s) {
        return s->row == NOBODY || s->act >= HB_HO_MAX_ACTIONS ? HB_ACT_NONE : table[s->row].actions[s->act];
}

static bool journals(enum hb_ho_action a) {
        return a == HB_ACT_JOURNAL_RELEASED || a == HB_ACT_JOURNAL_LOADED || a == HB_ACT_JOURNAL_OWNED ||
               a == HB_ACT_JOURNAL_REFUSED;
}

static void enter(struct side *s, const struct hb_ho_transition *t, bool record) {
        s->state = (uint8_t)t->to;
        s->row = (uint8_t)(t - table);
        s->act = 0;
        if (record && hb_ho_recorded(t->to))
                s->record = s->state;
}

/* A record of PREPARE that cannot be written means: not started. */
static bool must_record(enum hb_ho_state to) {
        return to == HB_S_PREPARE || to == HB_T_PREPARE;
}

/* All ways in which one event can be taken: the entry's record written or not; and a journal write that was
 * under way when the event came, landing after it. */
static void feed(const struct world *w, enum hb_role r, enum hb_ho_event ev, const char *step) {
        const struct side *s = &w->side[r];
        const struct hb_ho_transition *t = next_row(s->state, ev);
        struct world next = *w;

        if (!t)
                return;
        enter(&next.side[r], t, true);
        visit(&next, step);
        if (hb_ho_recorded(t->to) && !must_record(t->to)) {
                next = *w;
                enter(&next.side[r], t, false);
                visit(&next, step);
        }
        if (ev != HB_EV_OK && ev != HB_EV_FAIL && journals(next_action(s))) {
                next = *w;
                enter(&next.side[r], t, true);
                perform(&next, r, next_action(s));
                visit(&next, step);
        }
}

static bool can_fail(enum hb_ho_action a) {
        return strncmp(hb_ho_action_name(a), "send-", 5) != 0 || a == HB_ACT_SEND_STATE;
}

/* A VMM found dead is VMM_GONE where that means something, and a failure anyway. */
static enum hb_ho_event failure(const struct world *w, enum hb_role r, enum outcome o) {
        bool gone = o == VMM_DEAD && next_row(w->side[r].state, HB_EV_VMM_GONE);

        return gone ? HB_EV_VMM_GONE : HB_EV_FAIL;
}

static void act(const struct world *w, enum hb_role r) {
        enum hb_ho_action a = next_action(&w->side[r]);
        struct world next = *w;
        enum outcome o;

        if (a == HB_ACT_NONE) {
                if (w->side[r].act == FED)
                        return;
                next.side[r].act = FED;
                if (!next_row(w->side[r].state, HB_EV_OK))
                        visit(&next, "ok, which means nothing here");
                feed(&next, r, HB_EV_OK, "ok");
                return;
        }
        o = perform(&next, r, a);
        if (o == DONE) {
                struct world done = next;

                done.side[r].act++;
                visit(&done, hb_ho_action_name(a));
        } else {
                feed(&next, r, failure(w, r, o), hb_ho_action_name(a));
        }
        if (!can_fail(a))
                return;
        feed(w, r, HB_EV_FAIL, "failed, without effect");
        next.side[r].act = w->side[r].act;
        if (!journals(a)) /* the store promises: what failed is not there */
                feed(&next, r, HB_EV_FAIL, "failed, with its effect");
}

/* Answers a QUERY. False: cannot. */
static bool answer(struct world *w, enum hb_role r) {
        struct side *s = &w->side[r];

        if (!s->up)
                return false;
        if (s->state != NOBODY) {
                send_event(w, r, hb_ho_answer(s->state));
        } else if (r == HB_ROLE_SOURCE) {
                send_event(w, r, HB_EV_VERDICT_ABORTED);
        } else {
                s->record = HB_T_REFUSE;
                s->state = HB_T_ABORTED;
                send_event(w, r, HB_EV_VERDICT_REFUSED);
        }
        return true;
}

static void start_target(struct world *w) {
        enter(&w->side[1], next_row(HB_T_PREPARE, HB_EV_START), true);
}

static void recover(struct world *w, enum hb_role r, bool record) {
        struct side *s = &w->side[r];

        s->up = 1;
        s->row = NOBODY;
        s->act = FED;
        s->state = s->record;
        if (s->state != NOBODY && !hb_ho_terminal(s->state))
                enter(s, next_row(s->state, HB_EV_RECOVER), record);
}

static void messages(const struct world *w, enum hb_role r) {
        uint32_t in = w->sent[!r];
        struct world next = *w;

        for (int e = 0; e < HB_HO_EVENTS; e++)
                if ((in & 1u << e) && live(&w->side[r]) && e != HB_EV_RECOVER && e != HB_EV_START)
                        feed(w, r, e, hb_ho_event_name(e));
        if ((in & 1u << HB_EV_RECOVER) && answer(&next, r))
                visit(&next, "answers a query");
        next = *w;
        if (r == HB_ROLE_TARGET && (in & 1u << HB_EV_START) && w->side[1].up && w->side[1].state == NOBODY &&
            w->side[1].record == NOBODY) {
                start_target(&next);
                visit(&next, "prepare arrives");
                next = *w;
                send_event(&next, r, HB_EV_MSG_ABORTED);
                visit(&next, "prepare arrives and is turned down");
        }
}

static void outside(const struct world *w, enum hb_role r) {
        const struct side *s = &w->side[r];
        bool vmm_dead = r == HB_ROLE_SOURCE ? w->guest == G_DEAD : w->vmm == V_GONE;

        if (hb_ho_timeout_ms(s->state) > 0)
                feed(w, r, HB_EV_TIMEOUT, "timeout");
        feed(w, r, HB_EV_LINK_LOST, "link lost");
        feed(w, r, HB_EV_LINK_BACK, "link back");
        feed(w, r, HB_EV_OPERATOR_ABORT, "operator aborts");
        feed(w, r, HB_EV_CANNOT_CONVERGE, "cannot converge");
        if (vmm_dead)
                feed(w, r, HB_EV_VMM_GONE, "vmm gone");
}

static void crash(const struct world *w, enum hb_role r) {
        struct world next = *w;

        next.side[r] = (struct side){.state = NOBODY, .row = NOBODY, .act = FED, .record = w->side[r].record};
        visit(&next, r ? "target's daemon dies" : "source's daemon dies");
        if (r == HB_ROLE_SOURCE &&
            w->guest == G_FROZEN) { /* its end of the stream went with it: QEMU gives up and goes on */
                next.guest = G_RUNS;
                visit(&next, "source's daemon dies, the guest goes on");
        }
}

static void vmm_deaths(const struct world *w) {
        struct world next = *w;

        if (w->guest != G_DEAD && w->guest != G_QUIT) {
                next.guest = G_DEAD;
                next.died_s = 1;
                visit(&next, "source's VMM dies");
        }
        next = *w;
        if (w->vmm != V_NONE && w->vmm != V_GONE) {
                next.vmm = V_GONE;
                next.died_t = 1;
                visit(&next, "target's VMM dies");
        }
}

static void expand(const struct world *w) {
        for (int r = 0; r < 2; r++) {
                struct world next = *w;

                if (!w->side[r].up) {
                        recover(&next, r, true);
                        visit(&next, "daemon recovers");
                        continue;
                }
                crash(w, r);
                messages(w, r);
                if (live(&w->side[r])) {
                        act(w, r);
                        outside(w, r);
                }
        }
        vmm_deaths(w);
}

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

static void test_fair_weather_from_everywhere(void **state) {
        for (from = 0; from < nseen; from++) {
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
