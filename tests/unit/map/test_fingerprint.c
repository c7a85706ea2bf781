/* fingerprint: made again from its description with other means, and the same for ever; every bit of a page
 * counts; tags are spread evenly over whatever pages there are. */
#include "base/fault.h"
#include "base/splitmix.h"
#include "check.h"
#include "map/fingerprint.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

static const char secret[] = "a secret of the cluster, 36 bytes so";

static hb_fingerprint *make(const char *s, size_t len) {
        hb_fingerprint *f = NULL;

        assert_int_equal(hb_fingerprint_new(s, len, &f, NULL), 0);
        return f;
}

static void fill(uint64_t page[512], uint64_t seed) {
        for (unsigned i = 0; i < 512; i++)
                page[i] = hb_splitmix64(&seed);
}

/* ---- as described ---- */

struct keys {
        uint8_t stream[32], sip[16], id[8];
        uint64_t nh[1024];
};

static struct keys keys_of(const char *s, size_t len) {
        static const uint8_t iv[16];
        struct keys k = {{0}};
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
        EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
        size_t n = 56;
        int m;

        assert_int_equal(EVP_PKEY_derive_init(c), 1);
        assert_int_equal(EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()), 1);
        assert_int_equal(EVP_PKEY_CTX_set1_hkdf_key(c, (const uint8_t *)s, (int)len), 1);
        assert_int_equal(EVP_PKEY_CTX_add1_hkdf_info(c, (const uint8_t *)"page-fingerprint/harbinger/v1", 29),
                         1);
        assert_int_equal(EVP_PKEY_derive(c, (uint8_t *)&k, &n), 1);
        EVP_PKEY_CTX_free(c);
        assert_int_equal(EVP_EncryptInit_ex(aes, EVP_aes_256_ctr(), NULL, k.stream, iv), 1);
        assert_int_equal(EVP_EncryptUpdate(aes, (uint8_t *)k.nh, &m, (uint8_t *)k.nh, sizeof(k.nh)), 1);
        EVP_CIPHER_CTX_free(aes);
        return k;
}

/* Schoolbook: 32 bits at a time. */
static void add_product(uint64_t sum[2], uint64_t a, uint64_t b) {
        uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
        uint64_t low = al * bl, middle = ah * bl + (low >> 32), other = al * bh + (uint32_t)middle;
        uint64_t lower = other << 32 | (uint32_t)low;

        sum[0] += lower;
        sum[1] += ah * bh + (middle >> 32) + (other >> 32) + (sum[0] < lower);
}

static struct hb_print again(const struct keys *k, const uint64_t page[512]) {
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
        EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
        unsigned two = 2, four = 4;
        size_t sixteen = 16, n;
        OSSL_PARAM p[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &sixteen),
                          OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &two),
                          OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &four),
                          OSSL_PARAM_construct_end()};
        uint64_t sums[2][2] = {{0}};
        struct hb_print r;

        for (unsigned h = 0; h < 2; h++)
                for (unsigned i = 0; i < 512; i += 2)
                        add_product(sums[h], page[i] + k->nh[512 * h + i],
                                    page[i + 1] + k->nh[512 * h + i + 1]);
        assert_int_equal(EVP_MAC_init(c, k->sip, 16, p), 1);
        assert_int_equal(EVP_MAC_update(c, (const uint8_t *)sums, 32), 1);
        assert_int_equal(EVP_MAC_final(c, r.b, &n, 16), 1);
        EVP_MAC_CTX_free(c);
        EVP_MAC_free(mac);
        return r;
}

static void test_it_is_what_it_says(void **state) {
        hb_fingerprint *f = make(secret, 36);
        struct keys k = keys_of(secret, 36);
        uint64_t pages[8][512], id;
        struct hb_print p[8], q;

        memcpy(&id, k.id, 8);
        assert_int_equal(hb_fingerprint_id(f), id);
        for (unsigned i = 0; i < 8; i++)
                fill(pages[i], i);
        memset(pages[3], 0, sizeof(pages[3]));
        memset(pages[4], 0xff, sizeof(pages[4]));
        hb_fingerprint_pages(f, pages, 8, p);
        for (unsigned i = 0; i < 8; i++) {
                q = again(&k, pages[i]);
                assert_memory_equal(&p[i], &q, sizeof(q));
        }
        assert_true(hb_print_equal(hb_fingerprint_zero(f), &p[3]));
        hb_fingerprint_free(f);
}

/* Hosts of two versions compare prints: they must never change. */
static void test_it_stays_what_it_is(void **state) {
        static const uint8_t golden[16] = {0x6f, 0x23, 0x3c, 0xc4, 0x5d, 0xdb, 0x15, 0xfc,
                                           0x02, 0x31, 0xda, 0xd9, 0x06, 0x49, 0xe1, 0xa2};
        hb_fingerprint *f = make(secret, 36);
        uint64_t page[512];
        struct hb_print p;

        fill(page, 42);
        hb_fingerprint_pages(f, page, 1, &p);
        for (unsigned i = 0; i < 16 && memcmp(p.b, golden, 16) != 0; i++)
                print_message("0x%02x,%s", p.b[i], i == 15 ? "\n" : " ");
        assert_memory_equal(p.b, golden, 16);
        assert_int_equal(hb_print_tag(&p),
                         golden[0] | golden[1] << 8 | golden[2] << 16 | (uint32_t)golden[3] << 24);
        hb_fingerprint_free(f);
}

/* ---- what it is for ---- */

static int by_bytes(const void *a, const void *b) {
        return memcmp(a, b, sizeof(struct hb_print));
}

static void test_every_bit_counts(void **state) {
        enum { BITS = 4096 * 8 };
        hb_fingerprint *f = make(secret, 36);
        struct hb_print *p = malloc((BITS + 1) * sizeof(*p));
        uint64_t page[512];

        for (unsigned kind = 0; kind < 2; kind++) { /* a page of anything, a page of zeros */
                fill(page, 7);
                memset(page, 0, kind ? sizeof(page) : 0);
                for (unsigned b = 0; b < BITS; b++) {
                        page[b / 64] ^= 1ull << b % 64;
                        hb_fingerprint_pages(f, page, 1, &p[b]);
                        page[b / 64] ^= 1ull << b % 64;
                }
                hb_fingerprint_pages(f, page, 1, &p[BITS]);
                qsort(p, BITS + 1, sizeof(*p), by_bytes);
                for (unsigned i = 0; i < BITS; i++)
                        assert_false(hb_print_equal(&p[i], &p[i + 1]));
        }
        free(p);
        hb_fingerprint_free(f);
}

static void test_keys_are_apart(void **state) {
        hb_fingerprint *f = make(secret, 36), *g = make(secret, 35), *h = make(secret, 36);
        struct hb_print a, b, c;
        struct hb_err e = {0};
        uint64_t page[512];

        fill(page, 1);
        hb_fingerprint_pages(f, page, 1, &a);
        hb_fingerprint_pages(g, page, 1, &b);
        hb_fingerprint_pages(h, page, 1, &c);
        assert_true(hb_print_equal(&a, &c) && !hb_print_equal(&a, &b));
        assert_true(hb_fingerprint_id(f) == hb_fingerprint_id(h) &&
                    hb_fingerprint_id(f) != hb_fingerprint_id(g));
        assert_true(hb_fingerprint_id(f) != 0);
        hb_fingerprint_free(f);
        hb_fingerprint_free(g);
        hb_fingerprint_free(h);
        assert_int_equal(hb_fingerprint_new(secret, 15, &f, &e), -EINVAL);
        assert_non_null(strstr(e.what, "15 bytes"));
        assert_null(hb_fingerprint_free(NULL));
}

/* Pages as guests have them, little different from each other: their tags must be as if drawn. */
static void test_tags_are_spread_evenly(void **state) {
        enum { PAGES = 65536, BINS = 256 };
        hb_fingerprint *f = make(secret, 36);
        uint64_t page[512] = {0};
        unsigned count[4][BINS] = {{0}};

        for (uint64_t i = 0; i < PAGES; i++) {
                struct hb_print p;

                page[i % 3] = i; /* a counter somewhere */
                hb_fingerprint_pages(f, page, 1, &p);
                for (unsigned b = 0; b < 4; b++)
                        count[b][p.b[b]]++;
        }
        for (unsigned b = 0; b < 4; b++) {
                double chi2 = 0, mean = (double)PAGES / BINS;

                for (unsigned k = 0; k < BINS; k++)
                        chi2 += (count[b][k] - mean) * (count[b][k] - mean) / mean;
                assert_true(chi2 > 255 - 5 * 22.6 && chi2 < 255 + 5 * 22.6); /* 255 degrees of freedom */
        }
        hb_fingerprint_free(f);
}

static void test_without_memory(void **state) {
        hb_fingerprint *f = NULL;

        assert_int_equal(hb_fault_arm("fingerprint.new=fail"), 0);
        assert_int_equal(hb_fingerprint_new(secret, 36, &f, NULL), -ENOMEM);
        assert_int_equal(hb_fault_arm("fingerprint.key=fail"), 0);
        assert_int_equal(hb_fingerprint_new(secret, 36, &f, NULL), -ENOMEM);
        hb_fault_disarm();
        assert_null(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_what_it_says),     cmocka_unit_test(test_it_stays_what_it_is),
                cmocka_unit_test(test_every_bit_counts),       cmocka_unit_test(test_keys_are_apart),
                cmocka_unit_test(test_tags_are_spread_evenly), cmocka_unit_test(test_without_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
