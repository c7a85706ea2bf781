/* Libraries that find matches: what they make decompresses to what went in, whether they work, fail, lie or
 * have no room for us; and a library that is none is refused with a reason. */
#include "base/shape.h"
#include "check.h"
#include "transport/page_codec.h"
#include "transport/page_codec_zstd.h"
#include "transport/producer.h"
#include "transport/tcp.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN       64u
#define RUN_BYTES (RUN * HB_PAGE_SIZE)

static const char *library(const char *name) {
        static char path[512];

        snprintf(path, sizeof path, "%s/tests/%s.so", HB_BUILD_DIR, name);
        assert_int_equal(chmod(path, 0755), 0); /* whatever the umask of the build was */
        return path;
}

static hb_producer *load(const char *name, const char *how) {
        struct hb_err e = {0};
        hb_producer *p;

        setenv("HB_TEST_PRODUCER", how, 1);
        if (hb_producer_load(library(name), &p, &e) < 0)
                fail_msg("%s: %s", name, e.what);
        return p;
}

/* Text, then bytes without order, then text with holes: each run begins elsewhere. */
static void fill(uint8_t *p, uint64_t seed) {
        static const char *const words[] = {"page ", "guest ", "epoch ", "memory ",
                                            "link ", "of ",    "the ",   "is "};
        uint64_t x = seed * 2 + 1;

        for (size_t at = 0; at < RUN_BYTES;) {
                const char *w;
                size_t n;

                x = x * 6364136223846793005ull + 1442695040888963407ull;
                if (at / HB_PAGE_SIZE % 8 == seed % 8) {
                        p[at++] = (uint8_t)(x >> 56);
                        continue;
                }
                w = words[x >> 61];
                n = strlen(w) < RUN_BYTES - at ? strlen(w) : RUN_BYTES - at;
                memcpy(p + at, w, n);
                at += n;
        }
        memset(p + 9 * HB_PAGE_SIZE, 0, 2 * HB_PAGE_SIZE);
}

/* Packed by a codec with the producer, unpacked by one that knows of none. Returns bytes on the wire. */
static size_t round_trips(hb_producer *p, int level, unsigned runs) {
        uint8_t *pages = malloc(RUN_BYTES), *dst = malloc(RUN_BYTES);
        static const uint8_t zero[HB_PAGE_SIZE];
        struct hb_buf out = {0};
        struct hb_packed packed;
        hb_page_codec *c, *other;
        size_t wire = 0;

        assert_int_equal(hb_page_codec_new(level, &c), 0);
        assert_int_equal(hb_page_codec_new(HB_ZSTD_OFF, &other), 0);
        hb_page_codec_set_producer(c, p);
        hb_page_codec_link(c, 1e6);
        for (unsigned i = 0; i < runs; i++) {
                fill(pages, i);
                hb_buf_reset(&out);
                assert_int_equal(hb_page_codec_pack(c, pages, RUN, &packed, &out), 0);
                assert_int_equal(packed.encoding, HB_PACKED_ZSTD);
                assert_int_equal(hb_page_codec_unpack(other, &packed, out.data, out.len, dst, RUN), 0);
                for (unsigned k = 0; k < RUN; k++)
                        assert_memory_equal(packed.zero_mask >> k & 1 ? zero : dst + k * HB_PAGE_SIZE,
                                            pages + k * HB_PAGE_SIZE, HB_PAGE_SIZE);
                wire += out.len;
        }
        hb_page_codec_free(c);
        hb_page_codec_free(other);
        hb_buf_free(&out);
        free(pages);
        free(dst);
        return wire;
}

static struct hb_producer_stats stats(const hb_producer *p) {
        struct hb_producer_stats st;

        hb_producer_stats(p, &st);
        return st;
}

static void works(const char *name) {
        hb_producer *p = load(name, "");

        for (int level = -7; level <= 3; level += 2) {
                round_trips(p, level, 12);
                assert_int_equal(stats(p).failed, 0);
        }
        round_trips(p, HB_ZSTD_AUTO, 12);
        assert_true(stats(p).blocks >= 7 * 12);
        assert_null(hb_producer_free(p));
}

static void test_works(void **state) {
        works("test_producer");
}

static void test_names_of_qat(void **state) {
        works("test_producer_qat");
}

/* Refused blocks are zstd's own: nearly what it makes alone (a frame's settings differ, its blocks do not).
 */
static void test_falls_back(void **state) {
        size_t alone = round_trips(NULL, 1, 12), with;
        hb_producer *p = load("test_producer", "fail");

        with = round_trips(p, 1, 12);
        assert_true(with > alone * 95 / 100 && with < alone * 105 / 100);
        assert_true(stats(p).blocks > 0 && stats(p).failed == stats(p).blocks);
        hb_producer_free(p);
        p = load("test_producer", "odd");
        round_trips(p, 1, 12);
        assert_true(stats(p).failed > 0 && stats(p).failed < stats(p).blocks);
        hb_producer_free(p);
}

/* Sequences that are no parse are noticed, and the run is made again without it. */
static void test_lies(void **state) {
        size_t alone = round_trips(NULL, 1, 12);
        hb_producer *p = load("test_producer", "wrong");

        assert_int_equal(round_trips(p, 1, 12), alone);
        assert_int_equal(stats(p).failed, 12);
        hb_producer_free(p);
}

/* One that always fails is not asked for ever. */
static void test_given_up(void **state) {
        hb_producer *p = load("test_producer", "fail");
        uint64_t asked;

        round_trips(p, 1, 40);
        asked = stats(p).blocks;
        assert_true(asked <= 16 * 2);
        round_trips(p, 1, 4); /* another connection tries again */
        assert_true(stats(p).blocks > asked);
        hb_producer_free(p);
}

static void test_no_state_left(void **state) {
        hb_producer *p = load("test_producer", "full");
        hb_zstd *z;

        assert_int_equal(hb_zstd_new(&z), 0);
        assert_false(hb_zstd_set_producer(z, p));
        hb_zstd_free(z);
        round_trips(p, 1, 2);
        assert_int_equal(stats(p).blocks, 0);
        hb_producer_free(p);
}

static void *many(void *arg) {
        round_trips(arg, 1, 30);
        return NULL;
}

static void test_threads(void **state) {
        hb_producer *p = load("test_producer", "");
        pthread_t t[4];

        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&t[i], NULL, many, p), 0);
        for (unsigned i = 0; i < 4; i++)
                pthread_join(t[i], NULL);
        assert_true(stats(p).blocks >= 4 * 30);
        hb_producer_free(p);
}

static void refused(const char *path, int code, const char *word) {
        hb_producer *p = NULL;
        struct hb_err e = {0};

        assert_int_equal(hb_producer_load(path, &p, &e), code);
        assert_null(p);
        if (!strstr(e.what, word) || !e.next[0])
                fail_msg("%s: \"%s\" does not say %s", path, e.what, word);
}

static void test_refused(void **state) {
        char path[] = "/tmp/test_producer_XXXXXX";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        refused("/nowhere/lib.so", -ENOENT, "no such library");
        refused("relative.so", -ENOENT, "no such library");
        refused("/tmp", -ENOENT, "no such library");
        refused(path, -ENOENT, "cannot be loaded"); /* an empty file */
        assert_int_equal(fchmod(fd, 0666), 0);
        refused(path, -EPERM, "others could change it");
        refused(library("no_producer"), -EPROTONOSUPPORT, "hb_producer_stop");
        setenv("HB_TEST_PRODUCER", "dead", 1);
        refused(library("test_producer"), -EIO, "does not start");
        close(fd);
        unlink(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_works),      cmocka_unit_test(test_names_of_qat),
                cmocka_unit_test(test_falls_back), cmocka_unit_test(test_lies),
                cmocka_unit_test(test_given_up),   cmocka_unit_test(test_no_state_left),
                cmocka_unit_test(test_threads),    cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
