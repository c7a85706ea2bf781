/* A policy from a string, for tests: a scorer unless said otherwise, whose method has the given body. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "policy/plugin.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of CPU time; a sanitizer's build takes several times as much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIXTURE_DEADLINE_NS 15000000000
#else
#define FIXTURE_DEADLINE_NS 2000000000
#endif

struct fixture {
        hb_guard *guard;
        hb_plugin *plugin;
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
        uint32_t histogram[HB_POLICY_BUCKETS];
        float *columns[8], *out[2];
        struct hb_plugin_call call;
        char message[HB_PLUGIN_MESSAGE];
        uint64_t cpu_ns;
};

static const struct hb_plugin_limits fixture_limits = {
        .memory_bytes = 64u << 20, .deadline_ns = FIXTURE_DEADLINE_NS, .seed = 7};

static inline float fixture_value(unsigned column, unsigned i) {
        unsigned h = (i * 2654435761u) ^ (column * 40503u + 17u);
        h ^= h >> 15;
        return (float)(h % 100003u) / (column % 2 ? 9973.0f : 257.0f);
}

static inline struct fixture *fixture_new(void) {
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        assert_int_equal(hb_guard_new(&f->guard), 0);
        for (unsigned k = 0; k < 8; k++) {
                f->columns[k] = malloc(HB_POLICY_BATCH * sizeof(float));
                assert_non_null(f->columns[k]);
                for (unsigned i = 0; i < HB_POLICY_BATCH; i++)
                        f->columns[k][i] = fixture_value(k, i);
        }
        for (unsigned k = 0; k < 2; k++)
                assert_non_null(f->out[k] = calloc(HB_POLICY_BATCH, sizeof(float)));
        f->pages = (struct hb_policy_pages){1000,          f->columns[0], f->columns[1],
                                            f->columns[2], f->columns[3], f->columns[4],
                                            f->columns[5], f->columns[6], f->columns[7]};
        f->guest = (struct hb_policy_guest){
                .horizon_s = 10, .epoch_s = 1, .pages = 1e5, .dirty_bytes_per_s = 1e6};
        f->link = (struct hb_policy_link){1e-4, 1.25e8, 1.25e8, 0, 0};
        f->accuracy = (struct hb_policy_accuracy){.precision = -1, .recall = -1, .wasted_share = -1};
        f->call = (struct hb_plugin_call){.pages = &f->pages,
                                          .guest = &f->guest,
                                          .link = &f->link,
                                          .accuracy = &f->accuracy,
                                          .histogram = f->histogram,
                                          .out = {f->out[0], f->out[1]}};
        return f;
}

static inline void fixture_free(struct fixture *f) {
        hb_plugin_free(f->plugin);
        hb_guard_free(f->guard);
        for (unsigned k = 0; k < 8; k++)
                free(f->columns[k]);
        free(f->out[0]);
        free(f->out[1]);
        free(f);
}

/* Loads `text` as the policy "p"; returns hb_plugin_new's code and leaves the error's sentence in f->message.
 */
static inline int fixture_load_text(struct fixture *f, enum hb_policy_kind k, const char *text, size_t size,
                                    const struct hb_plugin_limits *limits) {
        struct hb_policy_source source;
        struct hb_err e = {0};
        int rc;

        f->plugin = hb_plugin_free(f->plugin);
        assert_int_equal(hb_policy_source_set(k, "p", text, size, &source), 0);
        rc = hb_plugin_new(k, "p", &source, limits, f->guard, &f->plugin, &e);
        snprintf(f->message, sizeof f->message, "%.220s", rc < 0 ? e.what : "");
        return rc;
}

/* Line 1 of the source is the table, line 2 the method, so the body starts on line 3. */
static inline int fixture_load(struct fixture *f, enum hb_policy_kind k, const char *before,
                               const char *body) {
        static const char *const methods[] = {"predict(pages, guest)", "score(pages, link, guest, accuracy)",
                                              "threshold(scores, link, guest, accuracy)"};
        char text[8192];
        int n = snprintf(text, sizeof text,
                         "local p = { api = 1, kind = '%s', name = 'p', version = '1' } %s\nfunction "
                         "p:%s\n%s\nend\nreturn p\n",
                         hb_policy_kind_name(k), before, methods[k], body);

        assert_true(n > 0 && (size_t)n < sizeof text);
        return fixture_load_text(f, k, text, (size_t)n, &fixture_limits);
}

static inline int fixture_run(struct fixture *f) {
        return hb_plugin_run(f->plugin, &f->call, f->message, &f->cpu_ns);
}

#define fixture_must_load(f, k, before, body)                                                                \
        do {                                                                                                 \
                int rc_ = fixture_load(f, k, before, body);                                                  \
                if (rc_ < 0)                                                                                 \
                        fail_msg("load: %d %s", rc_, (f)->message);                                          \
        } while (0)
