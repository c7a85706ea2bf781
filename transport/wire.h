/* wire: the protocol's constants, frame header and message codecs (docs/PROTOCOL.md is the specification).
 * Pure: bytes in, structs out, all bounds-checked. Version negotiation: HELLO carries [min, max]; the session
 * uses the highest common one, else ERROR EPROTONOSUPPORT naming both sides' software versions.
 *
 * Frame: u32 payload length (<= HB_WIRE_MAX_PAYLOAD), u16 type, u16 zero, u64 sequence (0, 1, 2 ... each
 * direction: a replayed, dropped or reordered frame is noticed), payload. Both control sessions and data
 * connections start with a HELLO frame. */
#pragma once
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/shape.h"

#define HB_WIRE_VERSION_MIN     1u
#define HB_WIRE_VERSION_MAX     2u
#define HB_WIRE_MAX_PAYLOAD     (4u << 20)
#define HB_WIRE_HEADER          16u
#define HB_TOKEN_SIZE           32u
#define HB_ID_SIZE              16u
#define HB_WIRE_MAX_CONNECTIONS 64u  /* data connections a placement may ask for */
#define HB_WIRE_FOREVER         1e30 /* what an infinite estimate becomes in a REPORT */

/* S: sent by the source, T: by the target. One control session is one placement; the source dials. */
enum hb_msg_type {
        HB_MSG_HELLO = 1, /* both  first frame */
        HB_MSG_ERROR,     /* both  struct hb_err; the session ends after it */
        HB_MSG_PING,      /* both  u64 cookie; answered at once by PONG with the same (link latency) */
        HB_MSG_PONG,
        HB_MSG_PLACE,      /* S     have this guest ready */
        HB_MSG_PLACED,     /* T     answer: token for data connections, last processed epoch (0: new image) */
        HB_MSG_UNPLACE,    /* S     give the image up */
        HB_MSG_UNPLACED,   /* T */
        HB_MSG_SUMMARY,    /* S     map/summary.h bytes */
        HB_MSG_INVALIDATE, /* S     from, to, time, runs */
        HB_MSG_ZERO,       /* S     stamp, runs */
        HB_MSG_RESYNC,     /* T     u32 processed: announce (processed, now] again */
        HB_MSG_REPORT,     /* T     struct hb_msg_report, about once an epoch and on change */
        HB_MSG_DRAIN,      /* S     u8 on: a migration was asked for / given up */
        HB_MSG_PREPARE,    /* S     hand-over id: have the destination VMM wait for device state */
        HB_MSG_PREPARED,   /* T     it does */
        HB_MSG_FREEZE,     /* S     u32 f, u64 time: guest stands still; W(f) was announced before this */
        HB_MSG_COMPLETE,   /* T     u32 f: image complete as of f */
        HB_MSG_STATE_END,  /* S     u64 bytes: device state sent through the tunnel connection */
        HB_MSG_LOADED,     /* T     device state in, guest ready to run, journalled: PREPARED */
        HB_MSG_COMMIT,     /* S     released and journalled: the guest is the target's if it takes it */
        HB_MSG_COMMITTED,  /* T     taken and journalled, running; u64 resume wall ns, stats */
        HB_MSG_REFUSED,    /* T     answer to COMMIT: not taken, journalled; the source may resume */
        HB_MSG_ABORT,      /* both  hand-over given up before commit; struct hb_err */
        HB_MSG_ABORTED,    /* both  answer */
        HB_MSG_QUERY,      /* both  16-byte hand-over id: what became of it? (recovery) */
        HB_MSG_VERDICT,    /* both  id, u8 enum hb_verdict */
        HB_MSG_DATA_HELLO, /* S     first frame of a data connection after HELLO: token, enum hb_data_kind */
        HB_MSG_DATA_READY, /* T     accepted */
        HB_MSG_FETCH,      /* T     on a page connection: u64 id, u64 gfn, u32 pages, u8 urgent */
        HB_MSG_PAGES,      /* S     answer: id, stamp, zero mask, encoding, checksum, bytes */
        HB_MSG_TUNNEL,     /* both  device-state bytes on a tunnel connection; empty: end of stream */
        HB_MSG_VERIFY,     /* S     in the frozen state: u64 first gfn, u8 last, u64 hash a page */
        HB_MSG_VERIFIED,   /* T     u64 first gfn whose copy differs; all ones: none */
        /* from version 2 */
        HB_MSG_TAGS, /* S     of settled pages: the first 4 bytes of their fingerprints (map/fingerprint.h) */
        HB_MSG_ASK,  /* T     pages whose tag may be of bytes it holds: the rest of their fingerprints? */
        HB_MSG_PRINTS, /* S     the rest of them, and the stamps they hold for */
        HB_MSG_DETAIL, /* T     2 MiB blocks of which it wants to know more than their sums */
        HB_MSG_TYPES
};
const char *hb_msg_name(enum hb_msg_type t);

enum hb_data_kind { HB_DATA_PAGES = 1, HB_DATA_TUNNEL = 2 };
enum hb_verdict {
        HB_VERDICT_UNKNOWN,
        HB_VERDICT_PENDING,
        HB_VERDICT_ABORTED,
        HB_VERDICT_COMMITTED,
        HB_VERDICT_REFUSED,
        HB_VERDICT_DEAD
};

struct hb_frame_header {
        uint32_t length;
        uint16_t type;
        uint64_t sequence;
};
void hb_frame_put(uint8_t out[HB_WIRE_HEADER], uint32_t length, uint16_t type, uint64_t sequence);
/* -EBADMSG: bad type, non-zero reserved, oversized, or sequence != expected (message says which). */
int hb_frame_get(const uint8_t in[HB_WIRE_HEADER], uint64_t expected_sequence, struct hb_frame_header *ret,
                 struct hb_err *e);

struct hb_msg_hello {
        uint16_t version_min, version_max;
        char host[HB_NAME_MAX]; /* must equal the certificate's name */
        char software[64];
};
struct hb_msg_place {
        uint8_t placement[HB_ID_SIZE];
        char guest[HB_NAME_MAX];
        char kind[16]; /* "qemu" or "process" */
        struct hb_shape shape;
        uint64_t resident_pages;
        uint32_t epoch_ms;
        char vmm_version[64];
        uint64_t secret_id; /* version 2: of the cluster secret that keys fingerprints; 0: none is used */
};
struct hb_msg_placed {
        uint8_t token[HB_TOKEN_SIZE]; /* good for data connections of this session only */
        uint32_t processed;           /* resume: announce from here; 0: everything */
        uint64_t fresh_pages;
        uint32_t connections; /* page connections wanted */
        /* version 2 */
        uint64_t secret_id; /* as in PLACE; tags are sent when both are alike and not 0 */
        uint16_t rdma_port; /* where the target's rdma_cm listens; 0: pages come over TCP only */
};
struct hb_msg_invalidate {
        uint32_t from, to;
        uint64_t time_ns;
        /* runs follow: decode with map/summary.h's format through hb_wire_runs */
};
struct hb_msg_report {
        uint64_t resident, fresh, stale, absent, fetching, zero_pages;
        uint64_t fetched_pages, fetched_bytes, wire_bytes, wasted_pages, above_threshold;
        uint64_t hit, late, stale_at_freeze, missing_at_freeze, final_pages, final_bytes;
        double threshold, precision, recall, wasted_share, rate_bytes_per_s;
        double estimate_final_bytes, estimate_final_s, estimate_ready_s;
        uint32_t processed;
        uint8_t ready, converging, draining, frozen;
        uint64_t digest;
        /* version 2; 0 in version 1 */
        uint64_t known_pages;   /* not fresh, and their bytes are on the target already */
        uint64_t copied_pages;  /* made fresh from bytes the target had */
        uint64_t refuted_pages; /* bytes thought to be there that turned out to be others */
        uint64_t rdma_pages;    /* fetched by RDMA READ */
        uint64_t spilled_pages; /* fresh, and on the target's disk rather than in its memory */
};

void hb_msg_hello_put(const struct hb_msg_hello *m, struct hb_buf *b);
int hb_msg_hello_get(const void *p, size_t n, struct hb_msg_hello *ret);
void hb_msg_error_put(const struct hb_err *m, struct hb_buf *b);
int hb_msg_error_get(const void *p, size_t n, struct hb_err *ret);
/* These grew in version 2: `version` is what the session agreed on (hb_session_version). */
void hb_msg_place_put(const struct hb_msg_place *m, unsigned version, struct hb_buf *b);
int hb_msg_place_get(const void *p, size_t n, unsigned version, struct hb_msg_place *ret);
void hb_msg_placed_put(const struct hb_msg_placed *m, unsigned version, struct hb_buf *b);
int hb_msg_placed_get(const void *p, size_t n, unsigned version, struct hb_msg_placed *ret);
void hb_msg_report_put(const struct hb_msg_report *m, unsigned version, struct hb_buf *b);
int hb_msg_report_get(const void *p, size_t n, unsigned version, struct hb_msg_report *ret);
