/* incoming_priv: what the files of an incoming placement share. incoming.c the session and its messages,
 * incoming_place.c life from PLACE to the end, incoming_fetch.c pages from the transport. */
#pragma once
#include "daemon/incoming.h"

/* ---- incoming.c ---- */
extern const struct hb_engine_ops hb_incoming_engine_ops;
/* The session is the placement's from here; answers PLACED. On failure the session is the caller's again. */
int hb_incoming_link_up(struct hb_incoming *in, hb_session *s, struct hb_err *e);

/* ---- incoming_teach.c ---- */
/* The engine is there, and being recorded if it is. */
void hb_incoming_teach_begin(struct hb_incoming *in);
void hb_incoming_teach_end(struct hb_incoming *in); /* before the engine and its policies go */

/* ---- incoming_fetch.c ---- */
int hb_incoming_fetch_new(struct hb_incoming *in);
void hb_incoming_fetch_free(struct hb_incoming *in); /* with all that is in flight settled */
int hb_incoming_fetch_start(struct hb_incoming *in, struct hb_err *e); /* once a session */
void hb_incoming_fetch_stop(struct hb_incoming *in);
int hb_incoming_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c); /* the engine's op */
void hb_incoming_fetch_feed_link(struct hb_incoming *in, uint64_t now_ns);

/* ---- incoming_rdma.c ---- */
void hb_incoming_rdma_lost(struct hb_incoming *in);
void hb_incoming_rdma_end(struct hb_incoming *in); /* with the session; before its fetcher goes */

/* ---- incoming_spill.c ---- */
void hb_incoming_spill_begin(struct hb_incoming *in); /* the engine is there */
void hb_incoming_spill_end(struct hb_incoming *in);   /* before the engine goes */
void hb_incoming_spill_tick(struct hb_incoming *in);
uint64_t hb_incoming_spill_share(const struct hb_incoming *in,
                                 uint64_t bytes); /* of them, what must be memory */
/* Before pages are prefetched: -EAGAIN until spilling has made room, -ENOSPC (said once): it cannot. */
int hb_incoming_spill_room(struct hb_incoming *in, uint32_t pages);
/* The image is complete as of f. True: but not all in memory; `completed` is called when it is. */
bool hb_incoming_spill_holds(struct hb_incoming *in, uint32_t f);
const char *hb_incoming_spill_state(const struct hb_incoming *in); /* as in docs/CONTROL.md */
void hb_incoming_spill_report(const struct hb_incoming *in, struct hb_msg_report *m);
