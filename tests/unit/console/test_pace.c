/* How often the console looks, by what looking costs. */
#include "console/app.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned looks(struct hb_app_pace *p, unsigned n, double share, bool busy) {
        for (unsigned i = 0; i < n; i++)
                p->factor = hb_app_pace_next(p, share, busy);
        return p->factor;
}

static void cheap_ones_look_as_asked(void **state) {
        struct hb_app_pace p = {.every = 1, .factor = 1};

        assert_int_equal(looks(&p, 1000, 0.009, false), 1);
        assert_int_equal(looks(&p, 1000, 0, false), 1);
        assert_int_equal(looks(&p, 1000, NAN, false), 1);
}

static void dear_ones_look_less_often(void **state) {
        struct hb_app_pace p = {.every = 1, .factor = 1};

        assert_int_equal(looks(&p, 2, 0.02, false), 1); /* a moment is no reason */
        assert_int_equal(looks(&p, 1, 0.005, false), 1);
        assert_int_equal(looks(&p, 2, 0.02, false), 1);
        assert_int_equal(looks(&p, 1, 0.02, false), 2);
        assert_int_equal(looks(&p, 3, 0.02, false), 4);
        assert_int_equal(looks(&p, 1000, 0.5, false), HB_APP_SLOWEST);
}

static void and_often_again(void **state) {
        struct hb_app_pace p = {.every = 1, .factor = 4};

        assert_int_equal(looks(&p, 1000, 0.005, false), 4); /* twice as often would be at the bound */
        assert_int_equal(looks(&p, 9, 0.002, false), 4);
        assert_int_equal(looks(&p, 1, 0.002, false), 2);
        assert_int_equal(looks(&p, 10, 0.002, false), 1);
        assert_int_equal(looks(&p, 1000, 0.002, false), 1);
}

static void never_while_somebody_is_at_the_keys(void **state) {
        struct hb_app_pace p = {.every = 1, .factor = 1};

        assert_int_equal(looks(&p, 1000, 0.3, true), 1);
        assert_int_equal(looks(&p, 2, 0.3, false), 1);
        assert_int_equal(looks(&p, 1, 0.3, true), 1); /* begins anew */
        assert_int_equal(looks(&p, 2, 0.3, false), 1);
        assert_int_equal(looks(&p, 1, 0.3, false), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cheap_ones_look_as_asked),
                cmocka_unit_test(dear_ones_look_less_often),
                cmocka_unit_test(and_often_again),
                cmocka_unit_test(never_while_somebody_is_at_the_keys),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
