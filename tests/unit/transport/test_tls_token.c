/* One-time tokens: the same at both ends, unlike the secret, each other and those of other sessions. */
#include "base/fault.h"
#include "check.h"
#include "transport/tls_token.h"
#include <errno.h>

static void test_both_ends(void **state) {
        uint8_t secret[HB_TOKEN_SIZE], other[HB_TOKEN_SIZE] = {1}, a[HB_TOKEN_SIZE], b[HB_TOKEN_SIZE];
        /* HMAC-SHA-256(00 01 .. 1f, "rdma-1.harbinger" 01000000), made by the openssl command */
        static const uint8_t first[4] = {0x0b, 0x30, 0x3f, 0x3a};

        for (unsigned i = 0; i < sizeof secret; i++)
                secret[i] = (uint8_t)i;
        assert_int_equal(hb_tls_token(secret, 1, a), 0);
        assert_memory_equal(a, first, sizeof first);
        assert_int_equal(hb_tls_token(secret, 1, b), 0);
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(hb_tls_token(secret, 2, b), 0);
        assert_memory_not_equal(a, b, sizeof a);
        assert_int_equal(hb_tls_token(secret, 1u << 24, b), 0); /* every byte of the number counts */
        assert_memory_not_equal(a, b, sizeof a);
        assert_int_equal(hb_tls_token(other, 1, b), 0);
        assert_memory_not_equal(a, b, sizeof a);
        assert_memory_not_equal(a, secret, sizeof a);
}

static void test_failure(void **state) {
        uint8_t secret[HB_TOKEN_SIZE] = {0}, a[HB_TOKEN_SIZE] = {7};

        hb_fault_arm("tls.token=fail");
        assert_int_equal(hb_tls_token(secret, 1, a), -EIO);
        hb_fault_disarm();
        assert_int_equal(a[0], 7);
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ends), cmocka_unit_test(test_failure)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
