/* change: a change as bytes: op u8, kind u8, shadow u8, name str, param str, value f64, size u32, the source.
 *
 * One change has one form: what its op does not use must be empty, so that equal changes are equal bytes.
 * Bytes come from traces, the store and the control socket and may be anything. Pure. */
#include "policy/change.h"
#include "base/shape.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool has_source(enum hb_policy_op op) {
        return op == HB_POLICY_SHADOW || op == HB_POLICY_MODEL;
}

void hb_policy_change_encode(const struct hb_policy_change *c, struct hb_buf *out) {
        bool tune = c->op == HB_POLICY_TUNE, model = c->op == HB_POLICY_MODEL;
        size_t size = has_source(c->op) ? c->size : 0;

        if (size > HB_POLICY_CHANGE_MAX) {
                out->failed = true;
                return;
        }
        hb_buf_u8(out, (uint8_t)c->op);
        hb_buf_u8(out, model ? 0 : (uint8_t)c->kind);
        hb_buf_u8(out, tune && c->shadow);
        hb_buf_str(out, model ? "" : c->name);
        hb_buf_str(out, tune ? c->param : "");
        hb_buf_f64(out, tune ? c->value : 0);
        hb_buf_u32(out, (uint32_t)size);
        if (size)
                hb_buf_raw(out, c->source, size);
}

static bool whole(const struct hb_policy_change *c) {
        bool tune = c->op == HB_POLICY_TUNE, model = c->op == HB_POLICY_MODEL, nothing = c->value == 0;

        if (*c->name && (model || !hb_name_ok(c->name)))
                return false;
        if (tune ? !hb_name_ok(c->param) || !isfinite(c->value)
                 : c->shadow || *c->param || !nothing || signbit(c->value))
                return false;
        if (model && (c->kind != 0 || c->size == 0))
                return false;
        return has_source(c->op) || c->size == 0;
}

int hb_policy_change_decode(struct hb_rd *in, struct hb_policy_change *ret) {
        struct hb_policy_change c = {.op = (enum hb_policy_op)hb_rd_u8(in)};
        uint8_t kind = hb_rd_u8(in);

        if (c.op < HB_POLICY_SHADOW || c.op >= HB_POLICY_OPS || kind >= HB_POLICY_KINDS)
                hb_rd_fail(in);
        c.kind = (enum hb_policy_kind)kind;
        c.shadow = hb_rd_bool(in);
        hb_rd_str(in, c.name, sizeof c.name);
        hb_rd_str(in, c.param, sizeof c.param);
        c.value = hb_rd_f64(in);
        c.size = hb_rd_u32(in);
        if (c.size > HB_POLICY_CHANGE_MAX)
                hb_rd_fail(in);
        if (hb_rd_ok(in) && c.size)
                c.source = hb_rd_raw(in, c.size);
        if (!hb_rd_ok(in) || !whole(&c)) {
                hb_rd_fail(in);
                return -EBADMSG;
        }
        *ret = c;
        return 0;
}
