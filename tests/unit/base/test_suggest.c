/* The nearest word, judged against a plain recursive distance over random words. */
#include "base/suggest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const commands[] = {"doctor", "cert",    "guest", "place",   "unplace",
                                       "status", "migrate", "image", "history", NULL};

static const char *from_list(void *arg, unsigned i) {
        return ((const char *const *)arg)[i];
}

static const char *suggest(const char *word) {
        return hb_suggest(word, from_list, (void *)commands);
}

static void typing_errors(void **state) {
        assert_string_equal(suggest("migrat"), "migrate");
        assert_string_equal(suggest("mirgate"), "migrate");
        assert_string_equal(suggest("satus"), "status");
        assert_string_equal(suggest("guesst"), "guest");
        assert_string_equal(suggest("unplcae"), "unplace");
        assert_string_equal(suggest("imagf"), "image");
        assert_string_equal(suggest("place"), "place");
        assert_string_equal(suggest("certt"), "cert");
}

static void what_is_too_far(void **state) {
        char longest[200];

        assert_null(suggest("xyzzy"));
        assert_null(suggest("q"));
        assert_null(suggest(""));
        assert_null(suggest("hist"));
        memset(longest, 'a', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        assert_null(suggest(longest));
        assert_null(hb_suggest("place", from_list, (void *)(const char *const[]){NULL}));
        assert_null(hb_suggest("place", from_list, (void *)(const char *const[]){longest, NULL}));
}

static unsigned min2(unsigned a, unsigned b) {
        return a < b ? a : b;
}

/* The textbook's definition, slow on purpose. */
static unsigned slow_distance(const char *a, size_t na, const char *b, size_t nb) {
        unsigned d;

        if (na == 0 || nb == 0)
                return (unsigned)(na + nb);
        d = slow_distance(a, na - 1, b, nb - 1) + (a[na - 1] != b[nb - 1]);
        d = min2(d, slow_distance(a, na - 1, b, nb) + 1);
        d = min2(d, slow_distance(a, na, b, nb - 1) + 1);
        if (na > 1 && nb > 1 && a[na - 1] == b[nb - 2] && a[na - 2] == b[nb - 1])
                d = min2(d, slow_distance(a, na - 2, b, nb - 2) + 1);
        return d;
}

static uint64_t seed = 11;

static void random_word(char *out) {
        size_t n;

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        n = 1 + (seed >> 40) % 6;
        for (size_t i = 0; i < n; i++) {
                seed = seed * 6364136223846793005ull + 1442695040888963407ull;
                out[i] = (char)('a' + (seed >> 40) % 3);
        }
        out[n] = '\0';
}

static void agrees_with_the_textbook(void **state) {
        unsigned found = 0;

        for (unsigned round = 0; round < 1500; round++) {
                char word[8], known[4][8];
                const char *list[] = {known[0], known[1], known[2], known[3], NULL};
                const char *want = NULL, *got;
                unsigned best, d;

                random_word(word);
                best = strlen(word) < 3 ? 1 : (unsigned)strlen(word) / 3;
                for (unsigned i = 0; i < 4; i++) {
                        random_word(known[i]);
                        d = slow_distance(word, strlen(word), known[i], strlen(known[i]));
                        if (d < best || (d == best && !want)) { /* the first of equals */
                                best = d;
                                want = known[i];
                        }
                }
                got = hb_suggest(word, from_list, (void *)list);
                if (got != want)
                        fail_msg("%s: %s, not %s", word, got ? got : "none", want ? want : "none");
                found += got != NULL;
        }
        assert_true(found > 200 && found < 1400);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(typing_errors),
                cmocka_unit_test(what_is_too_far),
                cmocka_unit_test(agrees_with_the_textbook),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
