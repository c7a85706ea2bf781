/* incoming: the target's side of one placement: image, engine, policies and fetcher for a guest that runs on
 * another host. Lives on when its session is lost; the source dials again with the same id. */
#pragma once
#include "control/json_out.h"
#include "daemon/daemon.h"
#include "daemon/policy_registry.h"
#include "map/announce.h"
#include "place/engine.h"
#include "place/image.h"
#include "place/judge.h"
#include "rdma/rdma.h"
#include "transport/peer.h"
#include "transport/tcp.h"

struct hb_pupil;      /* daemon/teacher.h */
struct hb_done_queue; /* fetches completed on transport threads, on their way to the loop */

struct hb_incoming {
        hb_daemon *d;
        struct hb_incoming *next;
        uint8_t id[HB_ID_SIZE], token[HB_TOKEN_SIZE];
        char guest[HB_NAME_MAX], host[HB_NAME_MAX], kind[16], dir[256];
        struct hb_shape shape;
        bool resumed;        /* its image was there before */
        hb_session *session; /* NULL while lost */
        hb_image *image;
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        hb_judge *judge;        /* NULL: its predictor is not judged */
        hb_policies *judged;    /* the judge's own */
        struct hb_pupil *pupil; /* NULL: its model is not trained */
        struct hb_policy_placed placed[HB_POLICY_KINDS];
        hb_fetcher *fetcher; /* of ops "paths"; NULL without a session */
        struct {
                uint32_t used;            /* the newest of the session's one-time tokens that was spent */
                uint64_t pages;           /* brought in earlier sessions */
                struct hb_rdma_link link; /* device "": no connection */
                struct hb_err why;        /* the last one ended */
        } rdma;
        struct hb_done_queue *done;
        struct hb_dup_image *dup; /* daemon/duplicates.h; NULL: none are looked for */
        uint64_t peer_secret_id;  /* as PLACE said */
        struct hb_bitmap scratch; /* pages of the announcement that is under way */
        struct hb_announce part;  /* its head; part_type 0: none is */
        unsigned part_type;
        struct event *tick;
        uint64_t last_report_ns, began_ns;
        struct hb_handover *handover;
        struct hb_engine_options engine_options;
        struct hb_recording *recording; /* it is being recorded; NULL: not */
        uint32_t source_epoch_ms;       /* as PLACE said */
        /* tells a hand-over that the image is complete as of f */
        void (*completed)(struct hb_incoming *in, uint32_t f);
        struct { /* incoming_spill.c */
                struct event *event;
                struct hb_err why;    /* why the image cannot spill; code 0: it can, or need not */
                uint32_t complete_at; /* COMPLETE waits for the last page to come back; 0: it does not */
                int told;             /* the error that an event told of; 0: none */
                bool paused;          /* the budget is used, and nothing can leave */
        } spill;
        bool no_room, unplace_due; /* unplace_due: when the hand-over has ended */
};

/* A session said PLACE. Owns the session from here; refuses it itself on failure. */
void hb_incoming_place(hb_daemon *d, hb_session *s, const uint8_t *payload, size_t size);
struct hb_incoming *hb_incoming_find(hb_daemon *d, const char *guest);
struct hb_incoming *hb_incoming_by_token(hb_daemon *d, const uint8_t token[HB_TOKEN_SIZE]);
/* A page connection or tunnel for this placement. 0: taken. */
int hb_incoming_data(struct hb_incoming *in, struct hb_data_conn *c);
/* The placement whose session this one-time token is of; it is spent then. */
struct hb_incoming *hb_incoming_by_rdma_token(hb_daemon *d, const uint8_t token[HB_TOKEN_SIZE]);
void hb_incoming_rdma(struct hb_incoming *in,
                      struct hb_rdma_conn *c); /* takes c; NULL: RDMA is not wanted any more */
uint64_t hb_incoming_rdma_pages(const struct hb_incoming *in);
json_t *hb_incoming_paths_json(const struct hb_incoming *in);
json_t *hb_rdma_link_json(const struct hb_rdma_link *l); /* null: there is none */
void hb_incoming_step(struct hb_incoming *in);
void hb_incoming_tick(struct hb_incoming *in);
/* Ends its session, with the reason for the other side; the placement stays. */
void hb_incoming_cut(struct hb_incoming *in, const struct hb_err *why);
bool hb_incoming_allowed(const struct hb_incoming *in, struct hb_err *e); /* by the settings now in force */
int hb_incoming_send(struct hb_incoming *in, enum hb_msg_type type, const void *payload, size_t size);
void hb_incoming_report(struct hb_incoming *in);
/* Would there be memory for all of the guest? -ENOMEM, saying what is needed and free. */
int hb_incoming_spill_check(const struct hb_incoming *in, struct hb_err *e);
enum hb_incoming_end {
        HB_IN_KEEP /* daemon stops: resume later */,
        HB_IN_REMOVE /* image goes */,
        HB_IN_RELEASE /* image is the guest */
};
void hb_incoming_free(struct hb_incoming *in, enum hb_incoming_end how);
json_t *hb_incoming_json(const struct hb_incoming *in);
void hb_incoming_write(const struct hb_incoming *in, struct hb_json_out *o); /* in short */
struct hb_incoming_path {                                                    /* that bulk takes now */
        bool rdma;
        const char *why; /* static */
        struct hb_link_stats stats;
};
int hb_incoming_path(const struct hb_incoming *in, struct hb_incoming_path *ret); /* -ENOTCONN */
json_t *hb_incoming_spill_json(const struct hb_incoming *in);
json_t *hb_incoming_teach_json(const struct hb_incoming *in); /* of its model; null: not trained */
