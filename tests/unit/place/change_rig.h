/* change_rig: policies given to an engine as text. */
#pragma once
#include "check.h"
#include "place/engine.h"
#include "policy/change.h"
#include "policy/source.h"
#include <stdio.h>
#include <string.h>

static inline int cr_shadow(hb_engine *e, uint64_t now, enum hb_policy_kind k, const char *name,
                            const char *text, struct hb_err *err) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW, .kind = k};
        struct hb_policy_source s = {0};
        struct hb_buf b = {0};
        int rc;

        assert_int_equal(hb_policy_source_set(k, name, text, strlen(text), &s), 0);
        assert_int_equal(hb_policy_source_pack(k, name, &s, &b), 0);
        snprintf(c.name, sizeof(c.name), "%s", name);
        c.source = b.data;
        c.size = b.len;
        rc = hb_engine_change(e, now, &c, err);
        hb_policy_source_free(&s);
        hb_buf_free(&b);
        return rc;
}

static inline int cr_do(hb_engine *e, uint64_t now, enum hb_policy_op op, enum hb_policy_kind k,
                        struct hb_err *err) {
        struct hb_policy_change c = {.op = op, .kind = k};

        return hb_engine_change(e, now, &c, err);
}

static inline int cr_tune(hb_engine *e, uint64_t now, enum hb_policy_kind k, const char *param, double value,
                          bool shadow, struct hb_err *err) {
        struct hb_policy_change c = {.op = HB_POLICY_TUNE, .kind = k, .value = value, .shadow = shadow};

        snprintf(c.param, sizeof(c.param), "%s", param);
        return hb_engine_change(e, now, &c, err);
}

static inline void cr_must(int rc, const struct hb_err *e) {
        if (rc < 0)
                fail_msg("%s (%s)", e->what, e->which);
}

static inline hb_policies *cr_builtins(void) {
        struct hb_policy_options p = {0};
        hb_policies *r = NULL;

        assert_int_equal(hb_policies_new(&p, &r, NULL), 0);
        return r;
}

struct cr_number {
        const char *name;
        double value;
};
