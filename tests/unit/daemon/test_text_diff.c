/* The difference of two texts is what diff(1) writes, and applies: by patch rules, computed here. */
#include "daemon/text_diff.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *diff(const char *a, const char *b) {
        struct hb_text x = {"a", a, strlen(a)}, y = {"b", b, strlen(b)};
        struct hb_buf out = {0};

        assert_int_equal(hb_text_diff(&x, &y, &out), 0);
        hb_buf_u8(&out, 0);
        return (char *)out.data;
}

static void is(const char *a, const char *b, const char *want) {
        char *got = diff(a, b);

        assert_string_equal(got, want);
        free(got);
}

static void equal_texts_have_none(void **state) {
        is("", "", "");
        is("x\ny\n", "x\ny\n", "");
}

static void changes_stand_with_what_is_around(void **state) {
        is("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
           "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
        is("", "x\n", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
        is("x\n", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n");
        is("b\n", "a\nb\n", "--- a\n+++ b\n@@ -1,1 +1,2 @@\n+a\n b\n");
}

static void changes_far_apart_are_apart(void **state) {
        is("a\n1\n2\n3\n4\n5\n6\n7\nz\n", "A\n1\n2\n3\n4\n5\n6\n7\nZ\n",
           "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-z\n+Z\n");
        is("a\n1\n2\n3\n4\n5\n6\nz\n", "A\n1\n2\n3\n4\n5\n6\nZ\n",
           "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-z\n+Z\n");
}

/* Applies a diff: the lines of b, from those of a; fails where a does not fit. */
static void apply(const char *a, const char *d, char *out) {
        unsigned at = 1;

        d = strchr(strchr(d, '\n') + 1, '\n') + 1;
        *out = '\0';
        while (*d) {
                unsigned from, count;

                assert_int_equal(sscanf(d, "@@ -%u,%u", &from, &count), 2);
                for (from += count == 0; at < from; at++) {
                        const char *nl = strchr(a, '\n') + 1;

                        strncat(out, a, (size_t)(nl - a));
                        a = nl;
                }
                for (d = strchr(d, '\n') + 1; *d && *d != '@'; d = strchr(d, '\n') + 1) {
                        size_t n = (size_t)(strchr(d, '\n') - d);

                        if (*d != '-')
                                strncat(out, d + 1, n);
                        if (*d == '+')
                                continue;
                        assert_memory_equal(a, d + 1, n);
                        a += n;
                        at++;
                }
        }
        strcat(out, a);
}

static void random_texts_come_out_right(void **state) {
        unsigned seed = 7;

        for (unsigned round = 0; round < 500; round++) {
                char a[400] = "", b[400] = "", got[800];
                char *d;

                for (int i = 0; i < 40; i++) {
                        char line[3] = {(char)('a' + rand_r(&seed) % 4), '\n', 0};
                        unsigned dice = (unsigned)rand_r(&seed) % 8;

                        if (dice != 0)
                                strcat(a, line);
                        if (dice == 1)
                                line[0] = 'X';
                        if (dice != 2)
                                strcat(b, line);
                }
                d = diff(a, b);
                if (!*d) {
                        assert_string_equal(a, b);
                } else {
                        apply(a, d, got);
                        assert_string_equal(got, b);
                }
                free(d);
        }
}

/* Too large for a table: longer than need be, and right. */
static void large_texts_come_out_right(void **state) {
        size_t cap = 60000;
        char *a = calloc(1, cap), *b = calloc(1, cap), *got = calloc(1, 2 * cap), *d;

        for (unsigned i = 0, x = 0, y = 0; i < 5000; i++) {
                x += (unsigned)sprintf(a + x, "%u\n", i);
                y += (unsigned)sprintf(b + y, "%u\n", i % 2500 ? i : i + 7000);
        }
        d = diff(a, b);
        apply(a, d, got);
        assert_string_equal(got, b);
        free(a);
        free(b);
        free(got);
        free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(equal_texts_have_none),
                cmocka_unit_test(changes_stand_with_what_is_around),
                cmocka_unit_test(changes_far_apart_are_apart),
                cmocka_unit_test(random_texts_come_out_right),
                cmocka_unit_test(large_texts_come_out_right),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
