/* outgoing: the source's side of one placement: keeps a session with the target, announces every epoch, sends
 * summaries within their budget, and serves pages. Reconnects by itself; what the target has stays good. */
#pragma once
#include "control/json_out.h"
#include "daemon/guest.h"
#include "map/summary.h"
#include "transport/peer.h"
#include "transport/tcp.h"

enum hb_outgoing_state { HB_OUT_CONNECTING, HB_OUT_PLACING, HB_OUT_OPEN, HB_OUT_LOST };

struct hb_outgoing {
        hb_daemon *d;
        struct hb_guest *g;
        uint8_t id[HB_ID_SIZE];
        char host[HB_NAME_MAX];
        enum hb_outgoing_state state;
        hb_session *session;
        hb_jobs *jobs; /* blocking dials */
        hb_tcp_server *server;
        struct hb_outgoing_rdma *rdma; /* beside it */
        struct hb_page_source source;
        hb_summary_encoder *encoder;
        struct hb_msg_placed placed;
        struct hb_msg_report report;
        bool have_report, announced; /* announced: the stream up to `sent_epoch` is with the target */
        uint32_t sent_epoch;
        uint64_t since_ns, began_ns, placing_ns, ready_ns, summary_bytes, announce_bytes, report_ns;
        uint64_t base_wire, base_pages; /* the image's counters as the request for a move found them */
        double summary_tokens;
        struct event *retry, *ping;
        unsigned backoff_ms, dialling, connections;
        struct hb_err last_error;
        struct hb_waiter *waiters; /* `place --wait` */
        bool draining, holes_due;
        bool told_ready, told_stalled; /* as events */
        char trend[16];
        uint64_t trend_since_ns;
};

int hb_outgoing_new(struct hb_guest *g, const char *host, const uint8_t *id /* NULL: a new placement */,
                    struct hb_err *e);
void hb_outgoing_free(struct hb_outgoing *p, bool unplace); /* unplace: tell the target to drop the image */
void hb_outgoing_epoch(struct hb_outgoing *p, const struct hb_bitmap *written);
bool hb_outgoing_usable(const struct hb_outgoing *p);
int hb_outgoing_send(struct hb_outgoing *p, enum hb_msg_type type, const void *payload, size_t size);
void hb_outgoing_drain(struct hb_outgoing *p, bool on);
void hb_outgoing_reloaded(struct hb_outgoing *p); /* other settings are in force */
void hb_outgoing_cap(struct hb_outgoing *p, uint64_t bytes_per_s);
/* Answers r with the placement when it is ready (or at once if wait is false). */
void hb_outgoing_wait(struct hb_outgoing *p, hb_request *r, double timeout_s);
json_t *hb_outgoing_json(const struct hb_outgoing *p);
void hb_outgoing_write(const struct hb_outgoing *p, const char *key, struct hb_json_out *o); /* in short */
/* Downtime and time to ready as the target's last report and our link figures have them. */
struct hb_estimate {
        double downtime_ms, ready_s, bytes_after;
        double fixed_ms,
                wire_bytes_per_s; /* downtime_ms = fixed_ms + 1000 * bytes_after / wire_bytes_per_s */
        bool converging, known;
};
struct hb_estimate hb_outgoing_estimate(const struct hb_outgoing *p);
