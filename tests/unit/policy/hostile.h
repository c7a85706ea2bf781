/* One hostile policy: a file that says on its first line how it must end ("-- expect: ETIME text of the
 * message") and on its second, when it is no scorer, its kind ("-- kind: predictor"). None may keep the
 * thread for longer than its deadline and a little, hurt the host, or outlive its state. */
#pragma once
#include "base/err.h"
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#define HOSTILE_DEADLINE_NS 10000000ull
#define HOSTILE_LIMITS                                                                                       \
        { .memory_bytes = 64u << 20, .deadline_ns = HOSTILE_DEADLINE_NS, .seed = 1 }
/* Of CPU time, so a busy machine does not matter; a build under sanitizers gets five times that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOSTILE_OVERRUN_MS 50.0
#else
#define HOSTILE_OVERRUN_MS 10.0
#endif

struct hostile {
        enum hb_policy_kind kind;
        char *text, why[256];
        size_t size;
        int want; /* how its load ends */
};

static const char hostile_good[] = "local p = { api = 1, kind = 'scorer', name = 'p', version = '1' }\n"
                                   "function p:score(pages) return pages.read_heat * 2 end\nreturn p\n";

static inline void hostile_read(const char *path, struct hostile *h) {
        FILE *file = fopen(path, "re");
        char name[32], kind[32];

        assert_non_null(file);
        *h = (struct hostile){.kind = HB_POLICY_SCORER, .text = calloc(1, HB_POLICY_SOURCE_MAX)};
        assert_non_null(h->text);
        h->size = fread(h->text, 1, HB_POLICY_SOURCE_MAX - 1, file);
        fclose(file);
        if (sscanf(h->text, "-- expect: %31s%*[ ]%255[^\n]", name, h->why) < 1)
                fail_msg("%s: no expectation on the first line", path);
        h->want = strcmp(name, "OK") ? hb_errno_from_name(name) : 0;
        if (sscanf(h->text, "%*[^\n]\n-- kind: %31s", kind) == 1)
                for (h->kind = 0; strcmp(kind, hb_policy_kind_name(h->kind)); h->kind++)
                        assert_true(h->kind < HB_POLICY_KINDS);
}

static inline double hostile_overrun_ms(const char *message) {
        const char *p = strstr(message, "stopped after ");
        double took, deadline;

        assert_non_null(p);
        assert_int_equal(sscanf(p, "stopped after %lf ms, its deadline is %lf ms", &took, &deadline), 2);
        return took - deadline;
}

static inline void hostile_check_message(const char *message) {
        for (const char *c = message; *c; c++)
                assert_true((unsigned char)*c >= 32 && *c != 127);
}

/* Only those that must overrun are given little time: on a slow machine others must not. */
static inline void hostile_limit(const struct hostile *h, struct hb_plugin_limits *l) {
        if (h->want != -ETIME)
                l->deadline_ns *= 50;
        if (h->want == -ENOMEM) /* memory ends before time does */
                l->memory_bytes = 4u << 20;
}

/* The guard and the thread are as good as new: another policy runs. */
static inline void hostile_check_survivor(struct fixture *f) {
        assert_int_equal(
                fixture_load_text(f, HB_POLICY_SCORER, hostile_good, strlen(hostile_good), &fixture_limits),
                0);
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->out[0][7] == 2 * f->columns[0][7]);
}

/* Loads it; how far it overran its deadline, in ms; a million when it did not end as it should. */
static inline double hostile_try(struct fixture *f, const char *path) {
        struct hb_plugin_limits l = HOSTILE_LIMITS;
        struct hostile h;
        double late = 0;
        int rc;

        hostile_read(path, &h);
        hostile_limit(&h, &l);
        rc = fixture_load_text(f, h.kind, h.text, h.size, &l);
        hostile_check_message(f->message);
        if (rc != h.want || (rc < 0 && !strstr(f->message, h.why))) {
                print_error("%s: %s '%s', expected %s '%s'\n", path, hb_errno_name(rc), f->message,
                            hb_errno_name(h.want), h.why);
                late = 1e6;
        } else if (rc == -ETIME)
                late = hostile_overrun_ms(f->message);
        free(h.text);
        hostile_check_survivor(f);
        return late;
}
