/* bench_duplicates: what finding duplicates costs, and that it finds them.  bench_duplicates [--json] [PAGES]
 *
 * A page's fingerprint beside memcpy, XXH3-128 (no key worth the name) and what else could have been taken:
 * GMAC and keyed BLAKE2b by OpenSSL. Then PAGES (ten million) pages, made in a small buffer and truly
 * printed, are held in an index, and as many are asked for: a quarter of them held, a quarter held but for
 * one bit, half never seen. Exit 1: one was found wrongly, or was not found, or the filter's false hits are
 * not what N / 2^32 says. */
#include "base/splitmix.h"
#include "map/dup_index.h"
#include "map/print_schedule.h"
#include "map/tags.h"
#include <math.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xxhash.h>

#define WORDS  512u
#define SMALL  8u     /* pages that stay in the first caches */
#define LARGE  32768u /* and that do not */
#define ROUNDS 5
#define CHUNK  64u

/* Of this thread's CPU time: what others do on the machine does not count. */
static double now_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- one page ---- */

struct hashes {
        hb_fingerprint *f;
        uint64_t *pages, *to;
        struct hb_print *prints;
        EVP_CIPHER_CTX *gcm;
        EVP_MAC_CTX *blake;
};

static const uint8_t key[16] = {1, 2, 3};

static void by_fingerprint(struct hashes *h, size_t n) {
        hb_fingerprint_pages(h->f, h->pages, n, h->prints);
}

static void by_memcpy(struct hashes *h, size_t n) {
        memcpy(h->to, h->pages, n * HB_PAGE_SIZE);
        __asm__ volatile("" ::"r"(h->to) : "memory");
}

static void by_xxh3(struct hashes *h, size_t n) {
        for (size_t i = 0; i < n; i++) {
                XXH128_hash_t x = XXH3_128bits(h->pages + i * WORDS, HB_PAGE_SIZE);

                memcpy(&h->prints[i], &x, sizeof(h->prints[i]));
        }
}

static void by_gmac(struct hashes *h, size_t n) {
        static const uint8_t iv[12];
        uint8_t none[16];
        int len;

        for (size_t i = 0; i < n; i++) {
                EVP_EncryptInit_ex(h->gcm, NULL, NULL, NULL, iv);
                EVP_EncryptUpdate(h->gcm, NULL, &len, (uint8_t *)(h->pages + i * WORDS), HB_PAGE_SIZE);
                EVP_EncryptFinal_ex(h->gcm, none, &len);
                EVP_CIPHER_CTX_ctrl(h->gcm, EVP_CTRL_GCM_GET_TAG, 16, h->prints[i].b);
        }
}

static void by_blake2b(struct hashes *h, size_t n) {
        size_t size = 16;
        OSSL_PARAM p[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                          OSSL_PARAM_construct_end()};

        for (size_t i = 0; i < n; i++) {
                EVP_MAC_init(h->blake, key, sizeof(key), p);
                EVP_MAC_update(h->blake, (uint8_t *)(h->pages + i * WORDS), HB_PAGE_SIZE);
                EVP_MAC_final(h->blake, h->prints[i].b, &size, 16);
        }
}

static const struct way {
        const char *name;
        void (*run)(struct hashes *h, size_t n);
} ways[] = {{"fingerprint", by_fingerprint},
            {"memcpy", by_memcpy},
            {"xxh3_128", by_xxh3},
            {"gmac", by_gmac},
            {"blake2b_keyed", by_blake2b}};

#define WAYS (sizeof(ways) / sizeof(*ways))

static int by_size(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median_ns(struct hashes *h, const struct way *w, size_t n) {
        size_t turns = LARGE / n / 4 + 1;
        double t[ROUNDS];

        for (unsigned r = 0; r < ROUNDS; r++) {
                double from = now_ns();

                for (size_t k = 0; k < turns; k++)
                        w->run(h, n);
                t[r] = (now_ns() - from) / (double)(turns * n);
        }
        qsort(t, ROUNDS, sizeof(*t), by_size);
        return t[ROUNDS / 2];
}

static int measure_hashes(hb_fingerprint *f, double cached[WAYS], double memory[WAYS]) {
        struct hashes h = {.f = f, .gcm = EVP_CIPHER_CTX_new()};
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2BMAC", NULL);
        uint64_t seed = 1;

        h.blake = mac ? EVP_MAC_CTX_new(mac) : NULL;
        h.pages = aligned_alloc(HB_PAGE_SIZE, LARGE * (size_t)HB_PAGE_SIZE);
        h.to = aligned_alloc(HB_PAGE_SIZE, LARGE * (size_t)HB_PAGE_SIZE);
        h.prints = malloc(LARGE * sizeof(*h.prints));
        if (!h.pages || !h.to || !h.prints || !h.blake || !h.gcm ||
            EVP_EncryptInit_ex(h.gcm, EVP_aes_128_gcm(), NULL, key, NULL) != 1)
                return -1;
        for (size_t i = 0; i < (size_t)LARGE * WORDS; i++)
                h.pages[i] = hb_splitmix64(&seed);
        memset(h.to, 1, LARGE * (size_t)HB_PAGE_SIZE);
        for (unsigned k = 0; k < WAYS; k++) {
                cached[k] = median_ns(&h, &ways[k], SMALL);
                memory[k] = median_ns(&h, &ways[k], LARGE);
        }
        EVP_CIPHER_CTX_free(h.gcm);
        EVP_MAC_CTX_free(h.blake);
        EVP_MAC_free(mac);
        free(h.pages);
        free(h.to);
        free(h.prints);
        return 0;
}

/* ---- ten million pages ---- */

struct chain {
        uint64_t held, asked, planted, near, found, wrong, false_hits, others;
        double hash_ns, put_ns, tag_ns, get_ns, bytes_an_entry, expected;
        struct hb_dup_index_stats index;
};

static void make_page(uint64_t *page, uint64_t n) {
        uint64_t seed = n * 0x9E3779B97F4A7C15ull;

        for (unsigned k = 0; k < WORDS; k++)
                page[k] = hb_splitmix64(&seed);
}

static void hold(struct chain *c, hb_dup_index *i, const hb_fingerprint *f, uint32_t owner, uint64_t *pages) {
        struct hb_print p[CHUNK];
        double t;

        for (uint64_t n = 0; n < c->held; n += CHUNK) {
                uint64_t k = c->held - n < CHUNK ? c->held - n : CHUNK;

                for (uint64_t j = 0; j < k; j++)
                        make_page(pages + j * WORDS, n + j);
                t = now_ns();
                hb_fingerprint_pages(f, pages, k, p);
                c->hash_ns += now_ns() - t;
                t = now_ns();
                for (uint64_t j = 0; j < k; j++)
                        hb_dup_index_put(i, &p[j], (struct hb_dup_place){owner, n + j});
                c->put_ns += now_ns() - t;
        }
}

enum kind { SAME, NEAR, OTHER };

static enum kind kind_of(uint64_t n) {
        return n % 4 == 0 ? SAME : n % 4 == 1 ? NEAR : OTHER;
}

static void ask_for(struct chain *c, hb_dup_index *i, const struct hb_print *p, uint64_t n, bool tag) {
        enum kind kind = kind_of(n);
        struct hb_dup_place at;
        bool found = hb_dup_index_get(i, p, &at) == 0;

        c->planted += kind == SAME;
        c->near += kind == NEAR;
        c->others += kind != SAME;
        c->found += kind == SAME && found && at.page == n;
        c->wrong += found && (kind != SAME || at.page != n);
        c->false_hits += tag && kind != SAME;
}

static void ask(struct chain *c, hb_dup_index *i, const hb_fingerprint *f, uint64_t *pages) {
        struct hb_print p[CHUNK];
        bool tag[CHUNK];
        double t;

        for (uint64_t n = 0; n < c->asked; n += CHUNK) {
                uint64_t k = c->asked - n < CHUNK ? c->asked - n : CHUNK;

                for (uint64_t j = 0; j < k; j++) {
                        make_page(pages + j * WORDS, kind_of(n + j) == OTHER ? c->held + n + j : n + j);
                        if (kind_of(n + j) == NEAR)
                                pages[j * WORDS + (n + j) / 4 % WORDS] ^= 1ull << (n + j) / 2048 % 64;
                }
                hb_fingerprint_pages(f, pages, k, p);
                t = now_ns();
                for (uint64_t j = 0; j < k; j++)
                        tag[j] = hb_dup_index_has_tag(i, hb_print_tag(&p[j]));
                c->tag_ns += now_ns() - t;
                t = now_ns();
                for (uint64_t j = 0; j < k; j++)
                        ask_for(c, i, &p[j], n + j, tag[j]);
                c->get_ns += now_ns() - t;
        }
}

static int run_chain(struct chain *c, const hb_fingerprint *f) {
        uint64_t *pages = aligned_alloc(HB_PAGE_SIZE, CHUNK * (size_t)HB_PAGE_SIZE);
        hb_dup_index *i = NULL;
        uint32_t owner;

        if (!pages || hb_dup_index_new(c->held * 24 * 100 / 85, &i) < 0)
                return -1;
        hb_dup_index_owner_add(i, &owner);
        hold(c, i, f, owner, pages);
        hb_dup_index_stats(i, &c->index);
        ask(c, i, f, pages);
        c->hash_ns /= (double)c->held;
        c->put_ns /= (double)c->held;
        c->tag_ns /= (double)c->asked;
        c->get_ns /= (double)c->asked;
        c->expected = (double)c->index.entries * (double)c->others / 4294967296.0;
        c->bytes_an_entry = (double)c->index.bytes / (double)c->index.entries;
        hb_dup_index_free(i);
        free(pages);
        return 0;
}

/* Poisson, five deviations; and all that was planted, nothing else. */
static bool right(const struct chain *c) {
        return c->found == c->planted && c->wrong == 0 && c->index.evicted == 0 &&
               fabs((double)c->false_hits - c->expected) <= 5 * sqrt(c->expected) + 3;
}

/* ---- the schedule, and the messages ---- */

struct schedule {
        double epoch_ms, take_ns, bytes_a_page;
};

static int run_schedule(struct schedule *r, uint64_t pages) {
        enum { EPOCHS = 20, SETTLE = 4 };
        struct hb_bitmap w;
        hb_print_schedule *s = NULL;
        uint32_t *gfn = malloc(pages / 100 * sizeof(*gfn));
        uint64_t seed = 5, taken = 0;
        double in_epochs = 0, in_takes = 0, t;

        if (!gfn || hb_bitmap_init(&w, pages) < 0 || hb_print_schedule_new(pages, SETTLE, NULL, NULL, &s) < 0)
                return -1;
        hb_bitmap_set_all(&w);
        hb_print_schedule_add(s, &w);
        for (unsigned e = 0; e < EPOCHS; e++) {
                hb_bitmap_clear_all(&w);
                for (uint64_t k = 0; k < pages / 100; k++)
                        hb_bitmap_set(&w, hb_splitmix64(&seed) % pages);
                t = now_ns();
                hb_print_schedule_epoch(s, &w);
                in_epochs += now_ns() - t;
                t = now_ns();
                taken += hb_print_schedule_take(s, gfn, (uint32_t)(pages / 100));
                in_takes += now_ns() - t;
        }
        r->epoch_ms = in_epochs / EPOCHS / 1e6;
        r->take_ns = in_takes / (double)taken;
        r->bytes_a_page = (20 + SETTLE) / 8.0;
        hb_print_schedule_free(s);
        hb_bitmap_fini(&w);
        free(gfn);
        return 0;
}

static int note_size(void *arg, const void *part, size_t size) {
        *(uint64_t *)arg += size;
        return 0;
}

/* Of pages that lie alone, one in four. */
static double tags_bytes(void) {
        enum { N = 262144 };
        uint32_t *gfn = malloc(N * sizeof(*gfn));
        struct hb_print *p = calloc(N, sizeof(*p));
        struct hb_buf b = {0};
        uint64_t bytes = 0;

        for (uint32_t i = 0; gfn && p && i < N; i++)
                gfn[i] = 4 * i;
        if (gfn && p)
                hb_tags_encode(1, gfn, p, N, &b, note_size, &bytes);
        hb_buf_free(&b);
        free(gfn);
        free(p);
        return (double)bytes / N;
}

/* ---- told ---- */

static void tell_table(const double *cached, const double *memory, const struct chain *c,
                       const struct schedule *s) {
        printf("%-16s %12s %12s %10s\n", "a page of 4 KiB", "cached ns", "memory ns", "GB/s");
        for (unsigned k = 0; k < WAYS; k++)
                printf("%-16s %12.0f %12.0f %10.2f\n", ways[k].name, cached[k], memory[k],
                       HB_PAGE_SIZE / memory[k]);
        printf("\n%.1f M pages held, %.1f M asked for; a page's print took %.0f ns\n", (double)c->held / 1e6,
               (double)c->asked / 1e6, c->hash_ns);
        printf("duplicates found      %llu of %llu\n", (unsigned long long)c->found,
               (unsigned long long)c->planted);
        printf("one bit off           %llu, taken for duplicates: %llu\n", (unsigned long long)c->near,
               (unsigned long long)c->wrong);
        printf("false hits by tag     %llu of %llu, expected %.0f (N / 2^32 each)\n",
               (unsigned long long)c->false_hits, (unsigned long long)c->others, c->expected);
        printf("index                 %.1f bytes an entry, %llu evicted; ns: put %.0f, tag %.0f, get %.0f\n",
               c->bytes_an_entry, (unsigned long long)c->index.evicted, c->put_ns, c->tag_ns, c->get_ns);
        printf("schedule, 1 %% dirty   %.2f ms an epoch, %.1f ns a page taken, %.1f bytes a page\n",
               s->epoch_ms, s->take_ns, s->bytes_a_page);
        printf("TAGS                  %.2f bytes a page, pages alone\n", tags_bytes());
}

static void tell_json(const double *cached, const double *memory, const struct chain *c,
                      const struct schedule *s) {
        printf("{\"page_ns\":{");
        for (unsigned k = 0; k < WAYS; k++)
                printf("%s\"%s\":{\"cached\":%.1f,\"memory\":%.1f}", k ? "," : "", ways[k].name, cached[k],
                       memory[k]);
        printf("},\"held\":%llu,\"asked\":%llu,\"planted\":%llu,\"found\":%llu,\"near\":%llu,\"wrong\":%llu,",
               (unsigned long long)c->held, (unsigned long long)c->asked, (unsigned long long)c->planted,
               (unsigned long long)c->found, (unsigned long long)c->near, (unsigned long long)c->wrong);
        printf("\"false_hits\":%llu,\"false_hits_expected\":%.1f,\"evicted\":%llu,\"bytes_an_entry\":%.2f,",
               (unsigned long long)c->false_hits, c->expected, (unsigned long long)c->index.evicted,
               c->bytes_an_entry);
        printf("\"print_ns\":%.1f,\"put_ns\":%.1f,\"tag_ns\":%.1f,\"get_ns\":%.1f,", c->hash_ns, c->put_ns,
               c->tag_ns, c->get_ns);
        printf("\"schedule_epoch_ms\":%.3f,\"schedule_take_ns\":%.1f,\"schedule_bytes_a_page\":%.2f,"
               "\"tags_bytes_a_page\":%.2f}\n",
               s->epoch_ms, s->take_ns, s->bytes_a_page, tags_bytes());
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        uint64_t pages = argc > 1 + json ? strtoull(argv[1 + json], NULL, 10) : 10000000;
        struct chain c = {.held = pages, .asked = pages};
        struct schedule s = {0};
        double cached[WAYS], memory[WAYS];
        hb_fingerprint *f = NULL;

        if (pages < 1000 || pages > 1u << 31 ||
            hb_fingerprint_new("a secret for benches", 20, &f, NULL) < 0 ||
            measure_hashes(f, cached, memory) < 0 || run_chain(&c, f) < 0 || run_schedule(&s, pages) < 0) {
                fprintf(stderr, "bench_duplicates: no memory, or not a number of pages\n");
                return 1;
        }
        hb_fingerprint_free(f);
        (json ? tell_json : tell_table)(cached, memory, &c, &s);
        if (!right(&c))
                fprintf(stderr, "bench_duplicates: duplicates were not found as they should be\n");
        return right(&c) ? 0 : 1;
}
