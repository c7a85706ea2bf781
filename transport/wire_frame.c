/* wire_frame: the 16 bytes before every payload.
 *
 * Invariant: a header this file accepts names a known type, a payload no larger than HB_WIRE_MAX_PAYLOAD and
 * the very next sequence number, so whoever holds one may allocate and wait for exactly `length` bytes. Pure;
 * any thread. */
#include "transport/wire.h"
#include <errno.h>
#include <string.h>

static const char *const names[HB_MSG_TYPES] = {
        [HB_MSG_HELLO] = "HELLO",
        [HB_MSG_ERROR] = "ERROR",
        [HB_MSG_PING] = "PING",
        [HB_MSG_PONG] = "PONG",
        [HB_MSG_PLACE] = "PLACE",
        [HB_MSG_PLACED] = "PLACED",
        [HB_MSG_UNPLACE] = "UNPLACE",
        [HB_MSG_UNPLACED] = "UNPLACED",
        [HB_MSG_SUMMARY] = "SUMMARY",
        [HB_MSG_INVALIDATE] = "INVALIDATE",
        [HB_MSG_ZERO] = "ZERO",
        [HB_MSG_RESYNC] = "RESYNC",
        [HB_MSG_REPORT] = "REPORT",
        [HB_MSG_DRAIN] = "DRAIN",
        [HB_MSG_PREPARE] = "PREPARE",
        [HB_MSG_PREPARED] = "PREPARED",
        [HB_MSG_FREEZE] = "FREEZE",
        [HB_MSG_COMPLETE] = "COMPLETE",
        [HB_MSG_STATE_END] = "STATE_END",
        [HB_MSG_LOADED] = "LOADED",
        [HB_MSG_COMMIT] = "COMMIT",
        [HB_MSG_COMMITTED] = "COMMITTED",
        [HB_MSG_REFUSED] = "REFUSED",
        [HB_MSG_ABORT] = "ABORT",
        [HB_MSG_ABORTED] = "ABORTED",
        [HB_MSG_QUERY] = "QUERY",
        [HB_MSG_VERDICT] = "VERDICT",
        [HB_MSG_DATA_HELLO] = "DATA_HELLO",
        [HB_MSG_DATA_READY] = "DATA_READY",
        [HB_MSG_FETCH] = "FETCH",
        [HB_MSG_PAGES] = "PAGES",
        [HB_MSG_TUNNEL] = "TUNNEL",
        [HB_MSG_VERIFY] = "VERIFY",
        [HB_MSG_VERIFIED] = "VERIFIED",
        [HB_MSG_TAGS] = "TAGS",
        [HB_MSG_ASK] = "ASK",
        [HB_MSG_PRINTS] = "PRINTS",
        [HB_MSG_DETAIL] = "DETAIL",
};

const char *hb_msg_name(enum hb_msg_type t) {
        return (unsigned)t < HB_MSG_TYPES && names[t] ? names[t] : "unknown";
}

static void put_le(uint8_t *p, uint64_t v, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                p[i] = (uint8_t)(v >> (8 * i));
}

void hb_frame_put(uint8_t out[HB_WIRE_HEADER], uint32_t length, uint16_t type, uint64_t sequence) {
        put_le(out, length, 4);
        put_le(out + 4, type, 2);
        put_le(out + 6, 0, 2);
        put_le(out + 8, sequence, 8);
}

int hb_frame_get(const uint8_t in[HB_WIRE_HEADER], uint64_t expected_sequence, struct hb_frame_header *ret,
                 struct hb_err *e) {
        static const char next[] = "check that the other side is a harbingerd of a compatible version";
        struct hb_rd r = hb_rd_init(in, HB_WIRE_HEADER);
        struct hb_frame_header h = {0};
        uint16_t zero;

        h.length = hb_rd_u32(&r);
        h.type = hb_rd_u16(&r);
        zero = hb_rd_u16(&r);
        h.sequence = hb_rd_u64(&r);
        if (h.type >= HB_MSG_TYPES || !names[h.type] || zero != 0)
                return hb_err_set(e, -EBADMSG, NULL, next, "what came is no frame (type %u, reserved %u)",
                                  (unsigned)h.type, (unsigned)zero);
        if (h.length > HB_WIRE_MAX_PAYLOAD)
                return hb_err_set(e, -EBADMSG, names[h.type], next,
                                  "a frame of %u bytes is over the limit of %u", h.length,
                                  HB_WIRE_MAX_PAYLOAD);
        if (h.sequence != expected_sequence)
                return hb_err_set(
                        e, -EBADMSG, names[h.type], next,
                        "frame number %llu came where %llu was due: one was lost, repeated or reordered",
                        (unsigned long long)h.sequence, (unsigned long long)expected_sequence);
        *ret = h;
        return 0;
}
