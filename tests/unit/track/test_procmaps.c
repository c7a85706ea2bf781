/* procmaps: real lines, hostile lines. */
#include "track/procmaps.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool parse(const char *text, struct hb_vma *v, bool *ret_ok) {
        struct hb_rd in = hb_rd_init(text, strlen(text));
        bool got = hb_procmaps_next(&in, v);

        *ret_ok = hb_rd_ok(&in);
        return got;
}

static void test_a_shared_file(void **state) {
        struct hb_vma v;
        bool ok;

        assert_true(parse("7f0000000000-7f0040000000 rw-s 00001000 00:01 4242                       "
                          "/memfd:memory-backend-memfd (deleted)\n",
                          &v, &ok));
        assert_true(ok);
        assert_int_equal(v.start, 0x7f0000000000);
        assert_int_equal(v.end, 0x7f0040000000);
        assert_true(v.read && v.write && !v.exec && v.shared);
        assert_int_equal(v.offset, 0x1000);
        assert_int_equal(v.dev_major, 0);
        assert_int_equal(v.dev_minor, 1);
        assert_int_equal(v.ino, 4242);
        assert_string_equal(v.path, "/memfd:memory-backend-memfd (deleted)");
}

static void test_anonymous_memory_has_no_path(void **state) {
        struct hb_vma v;
        bool ok;

        assert_true(parse("1000-2000 ---p 00000000 00:00 0 \n", &v, &ok));
        assert_string_equal(v.path, "");
        assert_false(v.read || v.write || v.shared);
        assert_true(parse("1000-2000 ---p 00000000 00:00 0\n", &v, &ok));
        assert_true(
                parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
                      &v, &ok));
        assert_int_equal(v.start, 0xffffffffff600000);
        assert_string_equal(v.path, "[vsyscall]");
}

static void test_a_long_path_is_cut(void **state) {
        char line[6000];
        struct hb_vma v;
        bool ok;
        int n = snprintf(line, sizeof line, "1000-2000 r--p 00000000 fe:00 77 /");

        memset(line + n, 'x', 5000);
        strcpy(line + n + 5000, "\n2000-3000 rw-p 00000000 00:00 0 \n");
        struct hb_rd in = hb_rd_init(line, strlen(line));
        assert_true(hb_procmaps_next(&in, &v));
        assert_int_equal(strlen(v.path), sizeof v.path - 1);
        assert_true(hb_procmaps_next(&in, &v));
        assert_int_equal(v.start, 0x2000);
        assert_false(hb_procmaps_next(&in, &v));
        assert_true(hb_rd_ok(&in));
        (void)ok;
}

static void test_malformed_lines_fail(void **state) {
        static const char *const bad[] = {
                "1000-2000 rw-s 00000000 00:01 42 /x",   /* cut short */
                "1000-2000 rw-s 00000000 00:01",         /* cut shorter */
                "2000-1000 rw-s 00000000 00:01 42 /x\n", /* backwards */
                "1000-1000 rw-s 00000000 00:01 42 /x\n", /* empty */
                "-2000 rw-s 00000000 00:01 42 /x\n",     /* no number */
                "1000-2000 rwxz 00000000 00:01 42 /x\n", /* strange flag */
                "1000-2000 rw-s 00000000 00:01 x /x\n",  /* no inode */
                "1000-2000 rw-s 00000000 00:01 99999999999999999999 /x\n",
                "10000000000000000-2000 rw-s 00000000 00:01 42 /x\n", /* 17 digits */
                "1000-2000 RW-s 00000000 00:01 42 /x\n",
                "1000-2000\n",
                "\n",
        };

        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct hb_vma v;
                bool ok, got = parse(bad[i], &v, &ok);

                if (got || ok)
                        fail_msg("accepted: %s", bad[i]);
        }
}

static void test_our_own_maps(void **state) {
        struct hb_buf text = {0};
        struct hb_vma v;
        uint8_t *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        bool found = false;
        uint64_t last = 0;

        assert_int_equal(hb_procmaps_read(getpid(), &text), 0);
        struct hb_rd in = hb_rd_init(text.data, text.len);
        while (hb_procmaps_next(&in, &v)) {
                assert_true(v.start >= last);
                last = v.end;
                if (v.start == (uintptr_t)p) {
                        found = true;
                        assert_true(v.read && !v.write && v.shared);
                        assert_int_equal(v.end - v.start, 8192);
                }
        }
        assert_true(hb_rd_ok(&in) && found);
        hb_buf_free(&text);
        munmap(p, 8192);
        assert_int_equal(hb_procmaps_read(999999999, &text), -ESRCH);
        hb_buf_free(&text);
}

static void test_start_time_and_status(void **state) {
        uint64_t a, b, n;

        assert_int_equal(hb_proc_start_time(getpid(), &a), 0);
        assert_int_equal(hb_proc_start_time(getpid(), &b), 0);
        assert_int_equal(a, b);
        assert_true(a > 0);
        assert_int_equal(hb_proc_start_time(999999999, &a), -ESRCH);
        assert_int_equal(hb_proc_status_number(getpid(), "Pid", &n), 0);
        assert_int_equal(n, getpid());
        assert_int_equal(hb_proc_status_number(getpid(), "Threads", &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(hb_proc_status_number(getpid(), "Pi", &n), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_shared_file),
                cmocka_unit_test(test_anonymous_memory_has_no_path),
                cmocka_unit_test(test_a_long_path_is_cut),
                cmocka_unit_test(test_malformed_lines_fail),
                cmocka_unit_test(test_our_own_maps),
                cmocka_unit_test(test_start_time_and_status),
        };

        return cmocka_run_group_tests_name("procmaps", tests, NULL, NULL);
}
