/* Exit codes: the table, its words, and the page that promises them. */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_promised_ones(void **state) {
        static const struct hb_exit_row promised[] = {
                {0, HB_EXIT_OK},
                {-EIO, HB_EXIT_FAILED},
                {-ENOMEM, HB_EXIT_FAILED},
                {-EREMOTEIO, HB_EXIT_FAILED},
                {-EOWNERDEAD, HB_EXIT_FAILED},
                {-9999, HB_EXIT_FAILED},
                {-EINVAL, HB_EXIT_USAGE},
                {-ENOENT, HB_EXIT_NOT_FOUND},
                {-ESRCH, HB_EXIT_NOT_FOUND},
                {-ENODATA, HB_EXIT_NOT_FOUND},
                {-EACCES, HB_EXIT_NOT_PERMITTED},
                {-EPERM, HB_EXIT_NOT_PERMITTED},
                {-ECONNREFUSED, HB_EXIT_UNREACHABLE},
                {-ENOTCONN, HB_EXIT_UNREACHABLE},
                {-ECONNRESET, HB_EXIT_UNREACHABLE},
                {-EHOSTUNREACH, HB_EXIT_UNREACHABLE},
                {-EBUSY, HB_EXIT_REFUSED},
                {-EEXIST, HB_EXIT_REFUSED},
                {-EAGAIN, HB_EXIT_REFUSED},
                {-EOPNOTSUPP, HB_EXIT_REFUSED},
                {-ESTALE, HB_EXIT_REFUSED},
                {-EPROTO, HB_EXIT_MISMATCH},
                {-EBADMSG, HB_EXIT_MISMATCH},
                {-EPROTONOSUPPORT, HB_EXIT_MISMATCH},
                {-ENOSPC, HB_EXIT_NO_SPACE},
                {-ETIMEDOUT, HB_EXIT_TIMED_OUT},
                {-ECANCELED, HB_EXIT_ABORTED},
                {-EINTR, HB_EXIT_ABORTED},
        };

        for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++)
                assert_int_equal(hb_cli_exit_of(promised[i].code), promised[i].exit);
        assert_int_equal(hb_cli_exit_of(5), HB_EXIT_OK);
}

static void each_code_stands_once_and_each_exit_has_words(void **state) {
        size_t n;
        const struct hb_exit_row *rows = hb_cli_exit_rows(&n);
        bool used[HB_EXIT_CODES] = {[HB_EXIT_OK] = true, [HB_EXIT_FAILED] = true};

        for (size_t i = 0; i < n; i++) {
                assert_true(rows[i].code < 0 && rows[i].exit > HB_EXIT_FAILED &&
                            rows[i].exit < HB_EXIT_CODES);
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(rows[k].code, rows[i].code);
                used[rows[i].exit] = true;
        }
        for (int i = 0; i < HB_EXIT_CODES; i++) {
                assert_true(used[i]);
                assert_true(strlen(hb_cli_exit_text((enum hb_cli_exit)i)) > 3);
                assert_string_not_equal(hb_cli_exit_text((enum hb_cli_exit)i), "unknown");
        }
}

/* docs/OPERATING.md: one row an exit code: "| 3 | text | `ENOENT` `ESRCH` |". */
static void the_documents_say_the_same(void **state) {
        static char text[256 * 1024];
        FILE *f = fopen(HB_SOURCE_DIR "/docs/OPERATING.md", "r");
        size_t n;
        const struct hb_exit_row *rows = hb_cli_exit_rows(&n);

        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        for (int exit = 0; exit < HB_EXIT_CODES; exit++) {
                char want[200], *at, *end;

                snprintf(want, sizeof(want), "\n| %d | %s |", exit, hb_cli_exit_text((enum hb_cli_exit)exit));
                at = strstr(text, want);
                if (!at)
                        fail_msg("docs/OPERATING.md lacks: %s", want + 1);
                end = strchr(at + 1, '\n');
                for (size_t i = 0; i < n; i++) {
                        snprintf(want, sizeof(want), "`%s`", hb_errno_name(rows[i].code));
                        if (rows[i].exit == (enum hb_cli_exit)exit &&
                            (!strstr(at, want) || strstr(at, want) > end))
                                fail_msg("docs/OPERATING.md: exit code %d lacks %s", exit, want);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_promised_ones),
                cmocka_unit_test(each_code_stands_once_and_each_exit_has_words),
                cmocka_unit_test(the_documents_say_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
