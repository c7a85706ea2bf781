/* trace_event: each stream's body, to bytes and back. What decodes encodes to the same bytes. Pure; cost: the
 * body's length. */
#include "trace/trace_event.h"
#include <errno.h>
#include <string.h>

static uint32_t get_u32(struct hb_rd *in) {
        return (uint32_t)hb_rd_upto(in, UINT32_MAX);
}

static void put_outcome(const struct hb_trace_event *ev, struct hb_buf *out) {
        hb_buf_varint(out, ev->outcome.hit);
        hb_buf_varint(out, ev->outcome.late);
        hb_buf_varint(out, ev->outcome.stale);
        hb_buf_varint(out, ev->outcome.wasted);
        hb_buf_varint(out, ev->outcome.fresh);
        hb_buf_varint(out, ev->outcome.resident);
        hb_buf_varint(out, ev->outcome.bytes);
        hb_buf_varint(out, ev->outcome.wire_bytes);
        hb_buf_f64(out, ev->outcome.threshold);
        hb_buf_f64(out, ev->outcome.precision);
        hb_buf_f64(out, ev->outcome.recall);
}

static void get_outcome(struct hb_rd *in, struct hb_trace_event *ev) {
        ev->outcome.hit = hb_rd_varint(in);
        ev->outcome.late = hb_rd_varint(in);
        ev->outcome.stale = hb_rd_varint(in);
        ev->outcome.wasted = hb_rd_varint(in);
        ev->outcome.fresh = hb_rd_varint(in);
        ev->outcome.resident = hb_rd_varint(in);
        ev->outcome.bytes = hb_rd_varint(in);
        ev->outcome.wire_bytes = hb_rd_varint(in);
        ev->outcome.threshold = hb_rd_f64(in);
        ev->outcome.precision = hb_rd_f64(in);
        ev->outcome.recall = hb_rd_f64(in);
}

static void put_network(const struct hb_trace_event *ev, struct hb_buf *out) {
        hb_buf_f64(out, ev->network.latency_s);
        hb_buf_f64(out, ev->network.bytes_per_s);
        hb_buf_f64(out, ev->network.free_bytes_per_s);
        hb_buf_f64(out, ev->network.used_share);
        hb_buf_f64(out, ev->network.cap_bytes_per_s);
}

static void get_network(struct hb_rd *in, struct hb_trace_event *ev) {
        ev->network.latency_s = hb_rd_f64(in);
        ev->network.bytes_per_s = hb_rd_f64(in);
        ev->network.free_bytes_per_s = hb_rd_f64(in);
        ev->network.used_share = hb_rd_f64(in);
        ev->network.cap_bytes_per_s = hb_rd_f64(in);
}

static void put_decision(const struct hb_trace_event *ev, struct hb_buf *out) {
        hb_buf_varint(out, ev->decision.gfn);
        hb_buf_varint(out, ev->decision.pages);
        hb_buf_varint(out, ev->decision.epoch);
        hb_buf_u8(out, ev->decision.fetch_class);
        hb_buf_u8(out, ev->decision.bucket);
}

static void get_decision(struct hb_rd *in, struct hb_trace_event *ev) {
        ev->decision.gfn = hb_rd_varint(in);
        ev->decision.pages = get_u32(in);
        ev->decision.epoch = get_u32(in);
        ev->decision.fetch_class = hb_rd_u8(in);
        ev->decision.bucket = hb_rd_u8(in);
}

static void put_transfer(const struct hb_trace_event *ev, struct hb_buf *out) {
        hb_buf_varint(out, ev->transfer.gfn);
        hb_buf_varint(out, ev->transfer.pages);
        hb_buf_varint(out, ev->transfer.stamp);
        hb_buf_varint(out, ev->transfer.wire_bytes);
        hb_buf_u8(out, ev->transfer.failed);
}

static void get_transfer(struct hb_rd *in, struct hb_trace_event *ev) {
        ev->transfer.gfn = hb_rd_varint(in);
        ev->transfer.pages = get_u32(in);
        ev->transfer.stamp = get_u32(in);
        ev->transfer.wire_bytes = hb_rd_varint(in);
        ev->transfer.failed = hb_rd_bool(in);
}

static int put_mark(const struct hb_trace_event *ev, struct hb_buf *out) {
        if (!hb_trace_mark_name(ev->mark.kind) || !memchr(ev->mark.text, '\0', sizeof(ev->mark.text)))
                return -EINVAL;
        hb_buf_u8(out, (uint8_t)ev->mark.kind);
        hb_buf_varint(out, ev->mark.value);
        hb_buf_str(out, ev->mark.text);
        return 0;
}

static int get_mark(struct hb_rd *in, struct hb_trace_event *ev) {
        ev->mark.kind = (enum hb_trace_mark)hb_rd_u8(in);
        ev->mark.value = hb_rd_varint(in);
        hb_rd_str(in, ev->mark.text, sizeof(ev->mark.text));
        return hb_trace_mark_name(ev->mark.kind) || !hb_rd_ok(in) ? 0 : -EOPNOTSUPP;
}

static int put_raw(const struct hb_trace_event *ev, struct hb_buf *out) {
        if (ev->raw.size > HB_TRACE_BODY_MAX || (ev->raw.size && !ev->raw.data))
                return -EINVAL;
        hb_buf_raw(out, ev->raw.data, ev->raw.size);
        return 0;
}

int hb_trace_event_encode(const struct hb_trace_event *ev, struct hb_buf *out) {
        int rc = 0;

        switch (ev->stream) {
        case HB_TRACE_NETWORK:
                put_network(ev, out);
                break;
        case HB_TRACE_SUMMARY:
                hb_buf_varint(out, ev->summary.epoch);
                hb_buf_varint(out, ev->summary.bytes);
                hb_buf_varint(out, ev->summary.pages);
                break;
        case HB_TRACE_DECISION:
                put_decision(ev, out);
                break;
        case HB_TRACE_TRANSFER:
                put_transfer(ev, out);
                break;
        case HB_TRACE_OUTCOME:
                put_outcome(ev, out);
                break;
        case HB_TRACE_MARK:
                rc = put_mark(ev, out);
                break;
        case HB_TRACE_INPUT:
        case HB_TRACE_RESIDENT:
        case HB_TRACE_FINGERPRINT:
                rc = put_raw(ev, out);
                break;
        default:
                rc = -EINVAL;
        }
        return rc < 0 ? rc : out->failed ? -ENOMEM : 0;
}

int hb_trace_event_decode(struct hb_rd *in, enum hb_trace_stream stream, bool newer,
                          struct hb_trace_event *ret) {
        int rc = 0;

        ret->stream = stream;
        switch (stream) {
        case HB_TRACE_NETWORK:
                get_network(in, ret);
                break;
        case HB_TRACE_SUMMARY:
                ret->summary.epoch = get_u32(in);
                ret->summary.bytes = hb_rd_varint(in);
                ret->summary.pages = hb_rd_varint(in);
                break;
        case HB_TRACE_DECISION:
                get_decision(in, ret);
                break;
        case HB_TRACE_TRANSFER:
                get_transfer(in, ret);
                break;
        case HB_TRACE_OUTCOME:
                get_outcome(in, ret);
                break;
        case HB_TRACE_MARK:
                rc = get_mark(in, ret);
                break;
        case HB_TRACE_INPUT:
        case HB_TRACE_RESIDENT:
        case HB_TRACE_FINGERPRINT:
                ret->raw.size = hb_rd_left(in);
                ret->raw.data = hb_rd_raw(in, ret->raw.size);
                break;
        default:
                rc = -EOPNOTSUPP;
        }
        if (rc == 0 && (newer ? !hb_rd_ok(in) : !hb_rd_done(in)))
                rc = -EBADMSG;
        return rc;
}
