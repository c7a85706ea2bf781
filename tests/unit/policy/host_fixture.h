/* A set of policies made of strings: written to a folder for those that begin, packed for those that come
 * later. Each text is a policy's method (and what it needs), `p` its table. */
#pragma once
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const host_folders[HB_POLICY_KINDS] = {"predict", "score", "threshold"};

#define HOST_TEXT 4096

static inline int host_text(char *text, enum hb_policy_kind k, const char *name, const char *body) {
        return snprintf(text, HOST_TEXT,
                        "local p = { api = 1, kind = '%s', name = '%s', version = '1' }\n%s\nreturn p\n",
                        hb_policy_kind_name(k), name, body);
}

static inline void host_write(const char *dir, enum hb_policy_kind k, const char *name, const char *body) {
        char path[512], text[HOST_TEXT];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s/%s.lua", dir, host_folders[k], name);
        host_text(text, k, name, body);
        assert_non_null(f = fopen(path, "we"));
        assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline char *host_dir(void) {
        char *dir = strdup("/tmp/hb-host-XXXXXX"), path[512];

        assert_non_null(mkdtemp(dir));
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                snprintf(path, sizeof path, "%s/%s", dir, host_folders[k]);
                assert_int_equal(mkdir(path, 0700), 0);
        }
        return dir;
}

static inline void host_remove(char *dir) {
        char command[600];

        snprintf(command, sizeof command, "rm -r '%s'", dir);
        assert_int_equal(system(command), 0);
        free(dir);
}

/* NULL bodies: built-ins. Loaded policies are called "first". */
static inline hb_policies *host_open(const char *predictor, const char *scorer, const char *threshold) {
        const char *bodies[HB_POLICY_KINDS] = {predictor, scorer, threshold};
        struct hb_policy_options o = {.deadline_ns = FIXTURE_DEADLINE_NS / 10, .seed = 3};
        struct hb_err e = {0};
        hb_policies *p = NULL;
        char *dir = host_dir();

        o.dir = dir;
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                if (!bodies[k])
                        continue;
                host_write(dir, (enum hb_policy_kind)k, "first", bodies[k]);
                o.names[k] = "first";
        }
        if (hb_policies_new(&o, &p, &e) < 0)
                fail_msg("%s", e.what);
        host_remove(dir);
        return p;
}

static inline struct hb_policy_status host_status(const hb_policies *p, enum hb_policy_kind k,
                                                  enum hb_policy_place place) {
        struct hb_policy_status s;

        assert_int_equal(hb_policies_status_of(p, k, place, &s), 0);
        return s;
}

static inline void host_pack(enum hb_policy_kind k, const char *name, const char *body, struct hb_buf *out) {
        struct hb_policy_source source;
        char text[HOST_TEXT];

        host_text(text, k, name, body);
        assert_int_equal(hb_policy_source_set(k, name, text, strlen(text), &source), 0);
        assert_int_equal(hb_policy_source_pack(k, name, &source, out), 0);
        hb_policy_source_free(&source);
}

static inline int host_shadow(hb_policies *p, enum hb_policy_kind k, const char *name, const char *body,
                              bool tried, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW, .kind = k, .tried = tried};
        struct hb_buf packed = {0};
        int rc;

        snprintf(c.name, sizeof c.name, "%s", name);
        host_pack(k, name, body, &packed);
        c.source = packed.data;
        c.size = packed.len;
        rc = hb_policies_change(p, &c, e);
        hb_buf_free(&packed);
        return rc;
}

static inline int host_do(hb_policies *p, enum hb_policy_op op, enum hb_policy_kind k, struct hb_err *e) {
        struct hb_policy_change c = {.op = op, .kind = k};

        return hb_policies_change(p, &c, e);
}

static inline int host_tune(hb_policies *p, enum hb_policy_kind k, bool shadow, const char *param,
                            double value, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_TUNE, .kind = k, .shadow = shadow, .value = value};

        snprintf(c.param, sizeof c.param, "%s", param);
        return hb_policies_change(p, &c, e);
}

static inline void host_epoch(hb_policies *p) {
        struct hb_policy_guest g = {.horizon_s = 10, .epoch_s = 1};

        hb_policies_epoch(p, &g);
}

#define host_must(expression)                                                                                \
        do {                                                                                                 \
                struct hb_err err = {0};                                                                     \
                if ((expression) < 0)                                                                        \
                        fail_msg("%d: %s", err.code, err.what);                                              \
        } while (0)
