/* hb.vec against plain C, bit for bit, and its complaints. */
#include "policy/vec_math.h"
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#pragma GCC optimize("fp-contract=off")

/* A, B, C: read_heat, write_heat, age_s */
#define EXPRESSIONS                                                                                          \
        X(1, "pages.read_heat", a)                                                                           \
        X(2, "a + b", a + b)                                                                                 \
        X(3, "a - b", a - b)                                                                                 \
        X(4, "a * b", a *b)                                                                                  \
        X(5, "a / b", hb_f32_div(a, b))                                                                      \
        X(6, "-a", -a)                                                                                       \
        X(7, "2 * a + 1", 2.0f * a + 1.0f)                                                                   \
        X(8, "1 - a / 3", 1.0f - hb_f32_div(a, 3.0f))                                                        \
        X(9, "a / 0", 0.0f)                                                                                  \
        X(10, "0.1 / (a - a)", 0.0f)                                                                         \
        X(11, "a:lt(b)", a < b ? 1.0f : 0.0f)                                                                \
        X(12, "a:le(a)", 1.0f)                                                                               \
        X(13, "a:gt(b)", a > b ? 1.0f : 0.0f)                                                                \
        X(14, "a:ge(50)", a >= 50.0f ? 1.0f : 0.0f)                                                          \
        X(15, "a:eq(a) + a:ne(a)", 1.0f)                                                                     \
        X(16, "a:min(b)", a < b ? a : b)                                                                     \
        X(17, "hb.max(10, a)", 10.0f > a ? 10.0f : a)                                                        \
        X(18, "a:clamp(5, 7)", hb_f32_min(hb_f32_max(a, 5.0f), 7.0f))                                        \
        X(19, "a:gt(b):where(a, 0)", a > b ? a : 0.0f)                                                       \
        X(20, "hb.where(a:gt(b), 1, b)", a > b ? 1.0f : b)                                                   \
        X(21, "a:ewma(b, 0.25)", a + 0.25f * (b - a))                                                        \
        X(22, "(a - b):abs()", fabsf(a - b))                                                                 \
        X(23, "a:sqrt()", sqrtf(a))                                                                          \
        X(24, "(-a):sqrt()", 0.0f)                                                                           \
        X(25, "(-b):exp()", hb_f32_exp(-b))                                                                  \
        X(26, "a:log1p()", hb_f32_log1p(a))                                                                  \
        X(27, "a * b + b * c - c / a", a *b + b * c - hb_f32_div(c, a))                                      \
        X(28, "(function() local x = a + b return x * x + x end)()", (a + b) * (a + b) + (a + b))            \
        X(29, "(function() local x = a:copy() x:add_(b) x:mul_(x) return x - a end)()",                      \
          (a + b) * (a + b) - a)                                                                             \
        X(30, "(function() local x = a + 0 local y = x * 2 x:neg_() return x + y end)()",                    \
          -(a + 0.0f) + (a + 0.0f) * 2.0f)                                                                   \
        X(31, "hb.vec(pages.n, 3) * a", 3.0f * a)                                                            \
        X(32, "hb.vec(pages.n, 0.5)", 0.5f)                                                                  \
        X(33, "guest.horizon_s * (a:min(1)) + link.bytes_per_s * 0", 10.0f * hb_f32_min(a, 1.0f) + 0.0f)

#define X(id, lua, expression)                                                                               \
        static float want_##id(float a, float b, float c) {                                                  \
                (void)a, (void)b, (void)c;                                                                   \
                return expression;                                                                           \
        }
EXPRESSIONS
#undef X

static const struct {
        const char *lua;
        float (*want)(float, float, float);
} expressions[] = {
#define X(id, lua, expression) {lua, want_##id},
        EXPRESSIONS
#undef X
};

static const uint32_t lengths[] = {1, 7, 255, 256, 257, 1000, HB_POLICY_BATCH};

static void compare(struct fixture *f, const char *expression, uint32_t n,
                    float (*want)(float, float, float)) {
        f->pages.n = n;
        if (fixture_run(f) < 0)
                fail_msg("%s: %s", expression, f->message);
        for (uint32_t i = 0; i < n; i++) {
                float w = want(f->columns[0][i], f->columns[1][i], f->columns[2][i]);
                if (memcmp(&w, &f->out[0][i], sizeof w))
                        fail_msg("%s: element %u of %u is %a, not %a", expression, i, n, (double)f->out[0][i],
                                 (double)w);
        }
}

static void test_expressions(void **state) {
        struct fixture *f = fixture_new();
        char body[512];

        for (unsigned k = 0; k < sizeof expressions / sizeof *expressions; k++) {
                snprintf(body, sizeof body,
                         "local a, b, c = pages.read_heat, pages.write_heat, pages.age_s\nreturn %s",
                         expressions[k].lua);
                fixture_must_load(f, HB_POLICY_SCORER, "", body);
                for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
                        compare(f, expressions[k].lua, lengths[i], expressions[k].want);
        }
        fixture_free(f);
}

static double ulps(double got, double want) {
        float w = (float)want;
        return fabs(got - want) / (double)(nextafterf(fabsf(w), HUGE_VALF) - fabsf(w));
}

static void test_functions_are_accurate(void **state) {
        double worst_exp = 0, worst_log1p = 0;

        for (float x = -87.3f; x < 88.3f; x += 0.00371f)
                worst_exp = fmax(worst_exp, ulps((double)hb_f32_exp(x), exp((double)x)));
        for (float x = 1e-30f; x < 1e30f; x *= 1.00731f)
                worst_log1p = fmax(worst_log1p, ulps((double)hb_f32_log1p(x), log1p((double)x)));
        for (float x = -0.999f; x < 0; x += 0.00071f)
                worst_log1p = fmax(worst_log1p, ulps((double)hb_f32_log1p(x), log1p((double)x)));
        print_message("exp %.2f ulp, log1p %.2f ulp\n", worst_exp, worst_log1p);
        assert_true(worst_exp <= 2 && worst_log1p <= 4);
        assert_true(isfinite(hb_f32_exp(1e30f)) && hb_f32_exp(-1e30f) >= 0 && hb_f32_exp(-1e30f) < 1.3e-38f);
        assert_true(hb_f32_exp(0) == 1.0f && hb_f32_log1p(0) == 0.0f && isfinite(hb_f32_log1p(-5)));
}

/* A formula of thousands of operations is cut into parts and still right; a loop of temporaries stays within
 * the memory. */
static void test_long_formulas(void **state) {
        struct fixture *f = fixture_new();

        fixture_must_load(f, HB_POLICY_SCORER, "",
                          "local x, y = pages.read_heat, pages.write_heat\n"
                          "for i = 1, 2000 do x = x + y; if i % 500 == 0 then x = x - 1 end end\nreturn x");
        f->pages.n = 3000;
        assert_int_equal(fixture_run(f), 0);
        for (unsigned i = 0; i < f->pages.n; i++) {
                float x = f->columns[0][i];
                for (int k = 1; k <= 2000; k++) {
                        x += f->columns[1][i];
                        if (k % 500 == 0)
                                x -= 1.0f;
                }
                assert_true(x == f->out[0][i]);
        }
        fixture_must_load(f, HB_POLICY_SCORER,
                          "", /* shared parts double the tree's size with each step, not the work */
                          "local x = pages.read_heat\nfor _ = 1, 40 do x = x + x; x = x * 0.5 end\nreturn x");
        assert_int_equal(fixture_run(f), 0);
        assert_memory_equal(f->out[0], f->columns[0], f->pages.n * sizeof(float));
        fixture_free(f);
}

static double number(struct fixture *f, const char *expression) {
        char body[512];

        snprintf(body, sizeof body, "local a = pages.read_heat\nreturn hb.vec(pages.n, %s)", expression);
        fixture_must_load(f, HB_POLICY_SCORER, "", body);
        f->pages.n = 1001;
        if (fixture_run(f) < 0)
                fail_msg("%s: %s", expression, f->message);
        return (double)f->out[0][1000];
}

static void test_reductions(void **state) {
        struct fixture *f = fixture_new();
        double sum = 0;
        float low = f->columns[0][0], high = low;

        for (unsigned i = 0; i < 1001; i++) {
                sum += (double)f->columns[0][i];
                low = fminf(low, f->columns[0][i]);
                high = fmaxf(high, f->columns[0][i]);
        }
        assert_true(fabs(number(f, "a:sum()") - sum) < sum * 1e-6);
        assert_true(fabs(number(f, "(a * 2):mean()") - 2 * sum / 1001) < sum * 1e-6);
        assert_true(number(f, "a:lowest()") == (double)low && number(f, "a:highest()") == (double)high);
        assert_true(number(f, "#a") == 1001);
        assert_true(number(f, "a[1001]") == (double)f->columns[0][1000]);
        assert_true(number(f, "a[1002] == nil and a[0] == nil and 5 or 6") == 5);
        assert_true(number(f, "hb.vec{3, 4, 5}[2] + hb.vec{7}:sum() + hb.vec{}:mean()") == 11);
        assert_true(number(f, "#tostring(a)") == 9);
        fixture_free(f);
}

static void must_fail(struct fixture *f, const char *expression, const char *why) {
        char body[512];

        snprintf(body, sizeof body, "local a = pages.read_heat\nreturn %s", expression);
        if (fixture_load(f, HB_POLICY_SCORER, "", body) == 0)
                fail_msg("%s was accepted", expression);
        if (!strstr(f->message, why) || !strstr(f->message, "score/p.lua:4:"))
                fail_msg("%s: '%s' lacks '%s' or the line", expression, f->message, why);
}

static void test_complaints(void **state) {
        struct fixture *f = fixture_new();

        must_fail(f, "a + hb.vec(pages.n + 1)", "add: vectors of 3 and 4 elements");
        must_fail(f, "a:where(1, hb.vec{1, 2})", "where: vectors of 3 and 2 elements");
        must_fail(f, "a + nil", "add: operand 2 must be a vector or a number, not nil");
        must_fail(f, "a + '1'", "add: operand 2 must be a vector or a number, not string");
        must_fail(f, "a:clamp(1)", "clamp: operand 3 must be a vector or a number, not nil");
        must_fail(f, "hb.max(1, 2)", "max: at least one operand must be a vector");
        must_fail(f, "a:frobnicate()", "vectors have no 'frobnicate'");
        must_fail(f, "a.sum()", "sum: a vector expected, got no value");
        must_fail(f, "a < a and a or a", "v:lt(x)");
        must_fail(f, "hb.vec(65537)", "vec: 0 to 65536 elements, not 65537");
        must_fail(f, "hb.vec(-1)", "vec: 0 to 65536 elements, not -1");
        must_fail(f, "hb.vec{1, {}}", "vec: element 2 is table");
        must_fail(f, "(function() a[1] = 2 return a end)()", "cannot be assigned");
        must_fail(f, "pages.predictd * 2", "nil value (field 'predictd')");
        fixture_free(f);
}

/* A column kept from an earlier call is an error, a copy of it is not, and holds the old values. */
static void test_columns_end_with_their_call(void **state) {
        struct fixture *f = fixture_new();
        float first;

        fixture_must_load(f, HB_POLICY_SCORER, "local kept",
                          "kept = kept or (pages.read_heat * 2):copy()\nreturn hb.vec(pages.n, kept[1])");
        assert_int_equal(fixture_run(f), 0);
        first = f->columns[0][0];
        f->columns[0][0] = 12345;
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->out[0][0] == 2 * first);
        assert_int_equal(fixture_load(f, HB_POLICY_SCORER, "local kept",
                                      "local old = kept; kept = pages.read_heat * 2\n"
                                      "return hb.vec(pages.n, old and old:highest() or 0)"),
                         -EINVAL);
        assert_non_null(strstr(f->message, "score/p.lua:4: a column of an earlier call"));
        assert_int_equal(fixture_load(f, HB_POLICY_SCORER, "local kept",
                                      "local old = kept; kept = pages.read_heat\n"
                                      "return hb.vec(pages.n, old and old:sum() or 0)"),
                         -EINVAL);
        assert_non_null(strstr(f->message, "score/p.lua:4: a column of an earlier call"));
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_expressions),   cmocka_unit_test(test_functions_are_accurate),
                cmocka_unit_test(test_long_formulas), cmocka_unit_test(test_reductions),
                cmocka_unit_test(test_complaints),    cmocka_unit_test(test_columns_end_with_their_call),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
