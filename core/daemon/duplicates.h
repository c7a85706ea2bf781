/* duplicates: pages whose bytes the target of a placement has already, and which are therefore copied there
 * and not sent. One object a daemon; NULL in hb_daemon while duplicates are not looked for (no [peer]
 * secret).
 *
 * As source it prints the settled pages of this host's guests (map/fingerprint.h) on one thread of low
 * priority, within [duplicates] budget; tells the target of a placement their tags; and prints those again
 * which the target asks for, under a stamp taken before their bytes are read. As target it looks tags and
 * prints up in one index of what this host holds: guests that run here, images, kept memory of guests that
 * left, files an operator named. What is found is copied by a thread of its own, printed again where it now
 * lies, and only then counts.
 *
 * A host tells of a guest nothing but tags and prints under the cluster's key, and those only to the host it
 * is placing that guest on. All functions: loop thread. */
#pragma once
#include "base/bitmap.h"
#include "daemon/daemon.h"
#include "place/engine.h"

struct hb_duplicates;
struct hb_dup_guest; /* of a guest tracked here */
struct hb_dup_image; /* of an image here */
struct hb_guest;
struct hb_incoming;
struct hb_outgoing;

/* ---- the daemon's (duplicates.c) ---- */
int hb_duplicates_new(hb_daemon *d, struct hb_err *e); /* sets d->duplicates, or leaves it NULL */
void hb_duplicates_free(hb_daemon *d); /* guests and placements are gone; before the mailbox */
/* For PLACE and PLACED. 0: duplicates are not looked for. */
uint64_t hb_duplicates_secret_id(const hb_daemon *d);
json_t *hb_duplicates_json(const hb_daemon *d);
void hb_duplicates_doctor(const hb_daemon *d,
                          void (*add)(void *arg, const char *ok, const char *next, const char *detail),
                          void *arg);

/* ---- source (duplicates_source.c); without duplicates all of them do nothing ---- */
void hb_dup_guest_attached(struct hb_guest *g); /* sets g->dup */
void hb_dup_guest_gone(struct hb_guest *g);
void hb_dup_guest_epoch(struct hb_guest *g,
                        const struct hb_bitmap *written); /* the map and completed_epoch have it */
void hb_dup_guest_open(
        struct hb_outgoing *p); /* PLACED came: whatever the target knew of tags, it may have lost */
int hb_dup_guest_asked(struct hb_outgoing *p, const uint8_t *payload,
                       size_t size); /* ASK. -EPROTO, -EBADMSG */

/* ---- target (duplicates_target.c); likewise ---- */
void hb_dup_image_begin(struct hb_incoming *in); /* the engine is there; sets in->dup */
void hb_dup_image_end(struct hb_incoming *in);   /* before engine and image go; waits for copies under way */
void hb_dup_image_open(struct hb_incoming *in, uint64_t peer_secret_id, unsigned version);
int hb_dup_image_tags(struct hb_incoming *in, const uint8_t *payload, size_t size);
int hb_dup_image_prints(struct hb_incoming *in, const uint8_t *payload, size_t size);
void hb_dup_image_invalidated(struct hb_incoming *in, uint32_t to, const struct hb_bitmap *written);
/* The engine's op. */
int hb_dup_image_copy(void *incoming, uint64_t gfn, uint32_t pages, enum hb_fetch_class c);
/* Tags are still coming in of a placement that has just begun: what is fetched ahead now may turn out to be
 * here already. At most HOLD_NS (duplicates_target.c) after the first PLACE, never of what is wanted at once.
 */
bool hb_dup_image_holds(struct hb_incoming *in);

/* ---- kept memory (duplicates_keep.c) ---- */
/* The guest has been handed over: its memory is kept, if the settings and the budget let it be. Takes what it
 * needs of g; the work is done later. */
void hb_dup_guest_departed(struct hb_guest *g);
void hb_dup_image_given_up(struct hb_incoming *in); /* likewise what was fetched; before the image goes */
void hb_dup_cmd_kept_list(hb_daemon *d, hb_request *r, json_t *args);
void hb_dup_cmd_kept_drop(hb_daemon *d, hb_request *r, json_t *args);
