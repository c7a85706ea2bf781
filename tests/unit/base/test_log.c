/* One call, one line, whatever is in it; levels and prefixes as asked. */
#include "base/err.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr, caught;

static void catch_begin(void) {
        saved_stderr = dup(STDERR_FILENO);
        caught = memfd_create("log", MFD_CLOEXEC);
        assert_true(saved_stderr >= 0 && caught >= 0);
        assert_true(fcntl(caught, F_SETFL, O_APPEND) == 0);
        assert_true(dup2(caught, STDERR_FILENO) >= 0);
}

/* What was logged since catch_begin; free it. */
static char *catch_end(void) {
        off_t size = lseek(caught, 0, SEEK_END);
        char *text = calloc(1, (size_t)size + 1);

        assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
        assert_int_equal(pread(caught, text, (size_t)size, 0), size);
        close(caught);
        close(saved_stderr);
        return text;
}

static void levels(void **state) {
        char *text;

        hb_log_setup(HB_LOG_WARNING, 1);
        assert_int_equal(hb_log_level(), HB_LOG_WARNING);
        catch_begin();
        hb_log(HB_LOG_ERR, "a %d", 1);
        hb_log(HB_LOG_WARNING, "b");
        hb_log(HB_LOG_NOTICE, "c");
        hb_log(HB_LOG_DEBUG, "d");
        text = catch_end();
        assert_string_equal(text, "<3>a 1\n<4>b\n");
        free(text);
}

static void plain_style(void **state) {
        char *text;

        hb_log_setup(HB_LOG_DEBUG, 0);
        catch_begin();
        hb_log(HB_LOG_ERR, "a");
        hb_log(HB_LOG_WARNING, "b");
        hb_log(HB_LOG_INFO, "c");
        hb_log(HB_LOG_DEBUG, "d");
        text = catch_end();
        assert_string_equal(text, "error: a\nwarning: b\nc\ndebug: d\n");
        free(text);
}

static void no_second_line_can_be_forged(void **state) {
        char *text;

        hb_log_setup(HB_LOG_INFO, 1);
        catch_begin();
        hb_log(HB_LOG_INFO, "name %s", "x\n<3>forged\033[0m");
        text = catch_end();
        assert_string_equal(text, "<6>name x <3>forged?[0m\n");
        free(text);
}

static void long_lines_are_cut_and_marked(void **state) {
        char *big = malloc(10001);
        char *text;
        size_t n;

        memset(big, 'z', 10000);
        big[10000] = '\0';
        hb_log_setup(HB_LOG_INFO, 1);
        catch_begin();
        hb_log(HB_LOG_INFO, "%s", big);
        text = catch_end();
        n = strlen(text);
        assert_true(n > 1000 && n < 2000);
        assert_string_equal(text + n - 4, "...\n");
        assert_int_equal(strchr(text, '\n') - text, n - 1);
        free(text);
        free(big);
}

static void an_error_with_its_object(void **state) {
        struct hb_err e;
        char *text;

        hb_err_set(&e, -ENOENT, "vm1", "harbinger guest list", "no such guest");
        hb_log_setup(HB_LOG_INFO, 1);
        catch_begin();
        hb_log_err(HB_LOG_ERR, "placing", &e);
        text = catch_end();
        assert_string_equal(text, "<3>placing: no such guest (vm1): harbinger guest list\n");
        free(text);
}

static void *chatter(void *arg) {
        for (int i = 0; i < 200; i++)
                hb_log(HB_LOG_INFO, "%s", (const char *)arg);
        return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
        static char words[4][64];
        pthread_t t[4];
        unsigned lines = 0;
        char *text;

        hb_log_setup(HB_LOG_INFO, 1);
        catch_begin();
        for (int i = 0; i < 4; i++) {
                memset(words[i], 'a' + i, sizeof(words[i]) - 1);
                assert_int_equal(pthread_create(&t[i], NULL, chatter, words[i]), 0);
        }
        for (int i = 0; i < 4; i++)
                pthread_join(t[i], NULL);
        text = catch_end();
        for (char *save, *line = strtok_r(text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save), lines++) {
                assert_int_equal(strlen(line), 3 + 63);
                assert_int_equal(strspn(line + 3, (const char[]){line[3], 0}), 63);
        }
        assert_int_equal(lines, 800);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(levels),
                cmocka_unit_test(plain_style),
                cmocka_unit_test(no_second_line_can_be_forged),
                cmocka_unit_test(long_lines_are_cut_and_marked),
                cmocka_unit_test(an_error_with_its_object),
                cmocka_unit_test(lines_of_threads_do_not_mix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
