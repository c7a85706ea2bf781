/* A pool never gives an object twice, always gives it zeroed, is full when it is full, and catches a wrong
 * put. */
#include "base/fault.h"
#include "base/pool.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void full_and_empty(void **state) {
        hb_pool *p;
        void *o[5];

        assert_int_equal(hb_pool_new(24, 5, &p), 0);
        assert_int_equal(hb_pool_size(p), 5);
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(hb_pool_used(p), i);
                o[i] = hb_pool_get(p);
                assert_non_null(o[i]);
                assert_int_equal((uintptr_t)o[i] % 16, 0);
                memset(o[i], 0xAB, 24);
                for (unsigned j = 0; j < i; j++)
                        assert_true((char *)o[i] >= (char *)o[j] + 24 || (char *)o[j] >= (char *)o[i] + 24);
        }
        assert_null(hb_pool_get(p));
        assert_null(hb_pool_get(p));
        hb_pool_put(p, o[2]);
        assert_int_equal(hb_pool_used(p), 4);
        assert_ptr_equal(hb_pool_get(p), o[2]);
        for (unsigned i = 0; i < 24; i++)
                assert_int_equal(((unsigned char *)o[2])[i], 0);
        hb_pool_put(p, NULL);
        assert_int_equal(hb_pool_used(p), 5);
        assert_null(hb_pool_free(p)); /* with objects out */
        assert_null(hb_pool_free(NULL));
}

static void random_history(void **state) {
        enum { COUNT = 37 };
        unsigned char *out[COUNT];
        uint64_t seed = 7;
        unsigned n = 0;
        hb_pool *p;

        assert_int_equal(hb_pool_new(40, COUNT, &p), 0);
        for (unsigned step = 0; step < 20000; step++) {
                seed = seed * 6364136223846793005ull + 1442695040888963407ull;
                if (seed >> 63) {
                        unsigned char *o = hb_pool_get(p);

                        assert_int_equal(o == NULL, n == COUNT);
                        if (!o)
                                continue;
                        for (unsigned i = 0; i < 40; i++)
                                assert_int_equal(o[i], 0);
                        memset(o, (int)(n + 1), 40);
                        out[n++] = o;
                } else if (n > 0) {
                        unsigned k = (unsigned)(seed >> 33) % n;

                        assert_int_equal(out[k][0], out[k][39]); /* nobody else wrote into it */
                        hb_pool_put(p, out[k]);
                        out[k] = out[--n];
                }
                assert_int_equal(hb_pool_used(p), n);
        }
        hb_pool_free(p);
}

static void bad_sizes(void **state) {
        hb_pool *p = (void *)0x1;

        assert_int_equal(hb_pool_new(0, 5, &p), -EINVAL);
        assert_int_equal(hb_pool_new(5, 0, &p), -EINVAL);
        assert_int_equal(hb_pool_new(SIZE_MAX, 1, &p), -EINVAL);
        assert_ptr_equal(p, (void *)0x1);
}

static void out_of_memory(void **state) {
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_pool *p = NULL;
                int rc = hb_pool_new(8, 8, &p);

                assert_int_equal(rc, hb_fault_passed() >= n ? -ENOMEM : 0);
                assert_int_equal(p != NULL, rc == 0);
                hb_pool_free(p);
        }
}

static void wrong_put(int which) {
        char *a, other[64];
        hb_pool *p;

        signal(SIGABRT, SIG_DFL);
        if (hb_pool_new(32, 4, &p) < 0)
                _exit(1);
        a = hb_pool_get(p);
        switch (which) {
        case 0:
                hb_pool_put(p, a);
                hb_pool_put(p, a);
                break;
        case 1:
                hb_pool_put(p, a + 16);
                break;
        case 2:
                hb_pool_put(p, a + 32); /* never given */
                break;
        case 3:
                hb_pool_put(p, a + 4 * 32);
                break;
        default:
                hb_pool_put(p, other);
        }
        _exit(0);
}

static void a_wrong_put_stops_the_program(void **state) {
        for (int which = 0; which < 5; which++) {
                int status;
                pid_t pid = fork();

                if (pid == 0)
                        wrong_put(which);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(full_and_empty),
                cmocka_unit_test(random_history),
                cmocka_unit_test(bad_sizes),
                cmocka_unit_test(out_of_memory),
                cmocka_unit_test(a_wrong_put_stops_the_program),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
