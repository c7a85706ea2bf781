/* The table by itself: whole, named, and without a way around the ownership rule. */
#include "move/handover.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h> /* after the rest: it needs it */

static const struct hb_ho_transition *table;
static size_t rows;

static bool has_action(const struct hb_ho_transition *t, enum hb_ho_action a) {
        for (int i = 0; i < HB_HO_MAX_ACTIONS; i++)
                if (t->actions[i] == a)
                        return true;
        return false;
}

static void test_names(void **state) {
        for (int a = 0; a < HB_HO_STATES; a++) {
                assert_non_null(hb_ho_state_name(a));
                assert_true(strlen(hb_ho_state_text(a)) > 3);
                assert_true(strlen(hb_ho_state_name(a)) < 32); /* fits the journal */
                assert_int_equal(hb_ho_state_from_name(hb_ho_state_name(a)), a);
                assert_int_equal(hb_ho_state_name(a)[0], hb_ho_role(a) == HB_ROLE_SOURCE ? 's' : 't');
        }
        for (int e = 0; e < HB_HO_EVENTS; e++)
                assert_non_null(hb_ho_event_name(e));
        for (int a = 0; a < HB_HO_ACTIONS; a++)
                assert_non_null(hb_ho_action_name(a));
        assert_int_equal(hb_ho_state_from_name("s-nonsense"), -ENOENT);
        assert_int_equal(hb_ho_state_from_name(NULL), -ENOENT);
        assert_string_equal(hb_ho_state_name(HB_HO_STATES), "?");
}

static void test_rows(void **state) {
        for (size_t i = 0; i < rows; i++) {
                const struct hb_ho_transition *t = &table[i];

                assert_ptr_equal(hb_ho_next(t->from, t->on), t); /* no second row hides behind it */
                assert_int_equal(hb_ho_role(t->from), hb_ho_role(t->to));
                assert_false(hb_ho_terminal(t->from));
                for (int k = 1; k < HB_HO_MAX_ACTIONS; k++) /* no gaps */
                        assert_true(t->actions[k] == HB_ACT_NONE || t->actions[k - 1] != HB_ACT_NONE);
                assert_int_equal(has_action(t, HB_ACT_FINISHED), hb_ho_terminal(t->to));
        }
        assert_null(hb_ho_next(HB_S_DONE, HB_EV_TIMEOUT));
}

static void test_every_state_is_reached_and_recovers(void **state) {
        bool reached[HB_HO_STATES] = {[HB_S_PREPARE] = true, [HB_T_PREPARE] = true};

        for (size_t round = 0; round < HB_HO_STATES; round++)
                for (size_t i = 0; i < rows; i++)
                        reached[table[i].to] |= reached[table[i].from];
        for (int s = 0; s < HB_HO_STATES; s++) {
                assert_true(reached[s]);
                if (hb_ho_terminal(s))
                        continue;
                assert_non_null(hb_ho_next(s, HB_EV_RECOVER));
                if (hb_ho_timeout_ms(s) > 0)
                        assert_non_null(hb_ho_next(s, HB_EV_TIMEOUT));
                else
                        assert_null(hb_ho_next(s, HB_EV_TIMEOUT) && s != HB_S_CONVERGE ? "" : NULL);
        }
}

static void test_undoable(void **state) {
        for (int s = 0; s < HB_HO_STATES; s++) {
                if (hb_ho_role(s) != HB_ROLE_SOURCE || hb_ho_terminal(s))
                        continue;
                for (int e = 0; e < HB_HO_EVENTS; e++) {
                        const struct hb_ho_transition *t = hb_ho_next(s, e);
                        bool word = e == HB_EV_MSG_REFUSED || e == HB_EV_VERDICT_REFUSED;

                        if (!t || t->to != HB_S_ABORT || s == HB_S_ABORT || hb_ho_undoable(s))
                                continue;
                        assert_true(word || (s == HB_S_RELEASE && e == HB_EV_FAIL));
                }
                if (hb_ho_undoable(s))
                        assert_int_equal(hb_ho_next(s, HB_EV_OPERATOR_ABORT)->to, HB_S_ABORT);
                else
                        assert_null(hb_ho_next(s, HB_EV_OPERATOR_ABORT));
        }
}

static void test_the_guest_runs_by_these_rows_only(void **state) {
        for (size_t i = 0; i < rows; i++) {
                const struct hb_ho_transition *t = &table[i];

                if (has_action(t, HB_ACT_RESUME))
                        assert_true(t->to == HB_T_RESUME && (t->from == HB_T_TAKE || t->from == HB_T_RESUME));
                if (has_action(t, HB_ACT_THAW))
                        assert_int_equal(t->to, HB_S_ABORT);
                if (t->to == HB_T_TAKE)
                        assert_true(t->on == HB_EV_MSG_COMMIT && has_action(t, HB_ACT_JOURNAL_OWNED));
                if (has_action(t, HB_ACT_SEND_COMMIT))
                        assert_true(t->from == HB_S_RELEASE || t->from == HB_S_COMMIT ||
                                    t->from == HB_S_DOUBT);
                if (has_action(t, HB_ACT_QUIT_VMM) && hb_ho_role(t->to) == HB_ROLE_SOURCE)
                        assert_int_equal(t->to, HB_S_FINISH);
        }
}

static void test_answers(void **state) {
        for (int s = 0; s < HB_HO_STATES; s++) {
                enum hb_ho_event a = hb_ho_answer(s);

                if (a == HB_EV_MSG_COMMIT)
                        assert_true(s == HB_S_COMMIT || s == HB_S_DOUBT);
                else
                        assert_in_range(a, HB_EV_VERDICT_COMMITTED, HB_EV_VERDICT_DEAD);
                if (hb_ho_terminal(s))
                        assert_true(a != HB_EV_VERDICT_PENDING && a != HB_EV_VERDICT_UNKNOWN);
        }
}

static int setup(void **state) {
        table = hb_ho_table(&rows);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_every_state_is_reached_and_recovers),
                cmocka_unit_test(test_undoable),
                cmocka_unit_test(test_the_guest_runs_by_these_rows_only),
                cmocka_unit_test(test_answers),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
