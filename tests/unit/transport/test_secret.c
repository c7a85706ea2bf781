/* The cluster's secret: made once, for its owner alone, and refused where others may have read it. */
#include "base/fault.h"
#include "cert/secret.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/hb-secret-XXXXXX", path[64];

static int setup(void **state) {
        if (!dir[0] || !mkdtemp(dir))
                return -1;
        snprintf(path, sizeof(path), "%s/" HB_SECRET_FILE, dir);
        return 0;
}

static int teardown(void **state) {
        unlink(path);
        rmdir(dir);
        strcpy(dir, "/tmp/hb-secret-XXXXXX");
        return 0;
}

static void put(const char *text, size_t size) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, size, f), size);
        fclose(f);
        assert_int_equal(chmod(path, 0600), 0);
}

static void made_for_its_owner_and_read_again(void **state) {
        uint8_t a[HB_SECRET_SIZE] = {0}, b[HB_SECRET_SIZE] = {0}, none[HB_SECRET_SIZE] = {0};
        mode_t before = umask(0);
        struct hb_err e = {0};
        struct stat st;

        assert_int_equal(hb_secret_make(dir, &e), 0);
        umask(before);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_size, 65);
        assert_int_equal(hb_secret_load(path, a, &e), 0);
        assert_int_equal(hb_secret_load(path, b, &e), 0);
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_not_equal(a, none, sizeof(a));
        assert_int_equal(hb_secret_make(dir, &e), -EEXIST); /* never replaced */
        assert_non_null(strstr(e.which, HB_SECRET_FILE));
        assert_int_equal(truncate(path, 64), 0); /* an editor took the line feed */
        assert_int_equal(hb_secret_load(path, b, &e), 0);
        assert_memory_equal(a, b, sizeof(a));
}

static void what_others_may_use_is_refused(void **state) {
        uint8_t s[HB_SECRET_SIZE];
        struct hb_err e = {0};

        assert_int_equal(hb_secret_make(dir, &e), 0);
        for (mode_t bit = 1; bit < 0100; bit <<= 1) {
                assert_int_equal(chmod(path, 0600 | bit), 0);
                assert_int_equal(hb_secret_load(path, s, &e), -EACCES);
                assert_non_null(strstr(e.next, "chmod"));
        }
        assert_int_equal(chmod(path, 0400), 0);
        assert_int_equal(hb_secret_load(path, s, &e), 0);
        if (geteuid() != 0)
                skip();
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(hb_secret_load(path, s, &e), -EACCES);
        assert_non_null(strstr(e.what, "12345"));
}

static void what_is_no_secret_is_refused(void **state) {
        static const char good[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        uint8_t s[HB_SECRET_SIZE];
        char text[80];
        struct hb_err e = {0};

        assert_int_equal(hb_secret_load(path, s, &e), -ENOENT);
        assert_non_null(strstr(e.next, "cert secret"));
        put(good, 64);
        assert_int_equal(hb_secret_load(path, s, &e), 0);
        assert_int_equal(s[1], 0x11);
        assert_int_equal(s[31], 0xff);
        for (size_t n = 0; n < 64; n++) { /* cut anywhere */
                put(good, n);
                assert_int_equal(hb_secret_load(path, s, &e), -EBADMSG);
        }
        snprintf(text, sizeof(text), "%s%s", good, "0\n");
        put(text, 66);
        assert_int_equal(hb_secret_load(path, s, &e), -EBADMSG);
        memcpy(text, good, 64);
        text[31] = 'g';
        put(text, 64);
        assert_int_equal(hb_secret_load(path, s, &e), -EBADMSG);
        assert_int_equal(hb_secret_load(dir, s, &e), -EBADMSG); /* not a file */
}

static void a_full_disk_leaves_nothing(void **state) {
        struct hb_err e = {0};
        unsigned failed = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = hb_secret_make(dir, &e);

                failed += r < 0;
                assert_int_equal(access(path, F_OK), r < 0 ? -1 : 0);
                unlink(path);
        }
        assert_true(failed >= 2);
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(made_for_its_owner_and_read_again, setup, teardown),
                cmocka_unit_test_setup_teardown(what_others_may_use_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_no_secret_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
