/* store: one SQLite database a host (state_dir/harbinger.db): what must survive the daemon. Everything here
 * is called from the loop thread, except journal puts, which a worker may do (the store has its own lock).
 * Strings returned are copies in the structs. A callback may put and remove in the store it is called from;
 * entries it adds are not shown to it.
 *
 * Journal puts are durable on return (synchronous=FULL). -ENOSPC when the disk is full: the caller must not
 * go past the point that the record announces; the former record is still there. -EBUSY: another process
 * holds the database for more than 2 s. -EUCLEAN: the file is damaged (never repaired or removed by us;
 * e->next says what to do). -EIO, -EROFS, -EACCES as the disk has it. */
#pragma once
#include "base/shape.h"
#include <stdint.h>

typedef struct hb_store hb_store;
int hb_store_open(const char *path, hb_store **ret,
                  struct hb_err *e); /* creates, migrates the schema; -EPROTONOSUPPORT newer schema */
hb_store *hb_store_close(hb_store *s);

/* ---- journal of hand-overs: the newest state of each ---- */
struct hb_journal_entry {
        uint8_t id[16];
        char guest[HB_NAME_MAX], peer[HB_NAME_MAX];
        char state[32];                     /* hb_ho_state_name */
        char port_kind[16], port_path[256]; /* the guest's socket here */
        char image[1024]; /* files of the guest's memory that hand-overs made here, to remove once it has left
                             or ended; one a line */
        uint64_t wall_ns;
        bool open; /* not ended */
        char detail[256];
};
int hb_journal_put(hb_store *s, const struct hb_journal_entry *j, struct hb_err *e);
int hb_journal_get(hb_store *s, const uint8_t id[16], struct hb_journal_entry *ret); /* -ENOENT */
/* Calls fn for each open entry (or all when open_only is false), newest last; stops at the first non-zero
 * return. */
int hb_journal_each(hb_store *s, bool open_only, int (*fn)(void *arg, const struct hb_journal_entry *j),
                    void *arg);

/* ---- registry: what to take up again after a restart ---- */
struct hb_store_guest {
        char name[HB_NAME_MAX], kind[16], port_path[256], tracker[32];
        int64_t pid;
        uint64_t start_time;
};
int hb_store_guest_put(hb_store *s, const struct hb_store_guest *g, struct hb_err *e);
int hb_store_guest_remove(hb_store *s, const char *name);
int hb_store_guests(hb_store *s, int (*fn)(void *arg, const struct hb_store_guest *g), void *arg);
struct hb_store_placement {
        uint8_t id[16];
        char guest[HB_NAME_MAX], host[HB_NAME_MAX];
        bool incoming; /* target side: an image here for a guest of `host` */
        char image_dir[256];
        uint64_t wall_ns;
};
int hb_store_placement_put(hb_store *s, const struct hb_store_placement *p, struct hb_err *e);
int hb_store_placement_remove(hb_store *s, const uint8_t id[16]);
int hb_store_placements(hb_store *s, int (*fn)(void *arg, const struct hb_store_placement *p), void *arg);

/* ---- history: everything that ended ---- */
struct hb_history_entry {
        int64_t rowid;
        uint64_t wall_ns;
        char kind[24]; /* "migration", "placement", "attach", "detach" ... */
        char guest[HB_NAME_MAX], from[HB_NAME_MAX], to[HB_NAME_MAX],
                result[24]; /* "done", "aborted", "refused", "dead" */
        char json[4096];    /* figures, one object */
};
int hb_history_add(hb_store *s, const struct hb_history_entry *h, struct hb_err *e);
int hb_history_list(hb_store *s, unsigned limit, int (*fn)(void *arg, const struct hb_history_entry *h),
                    void *arg); /* newest first */

/* ---- policies: versions by the hash of their bytes, who is where, and what was done ---- */
#define HB_STORE_POLICY_VERSIONS 64u   /* kept of a kind, beside those in a place */
#define HB_STORE_POLICY_EVENTS   4096u /* kept in all; older ones go */
#define HB_STORE_POLICY_BYTES    (8u << 20)

struct hb_store_policy {
        char kind[16], hash[33], name[64], version[32];
        unsigned number;  /* the n-th of this kind and name that was seen here, from 1 */
        uint64_t wall_ns; /* first seen */
};
/* Known already: as it was. *ret_number: its number. */
int hb_store_policy_put(hb_store *s, const struct hb_store_policy *p, const void *source, size_t size,
                        unsigned *ret_number, struct hb_err *e);
/* Its bytes are appended to *out. -ENOENT. */
struct hb_buf;
int hb_store_policy_source(hb_store *s, const char *kind, const char *hash, struct hb_buf *out);
int hb_store_policies(hb_store *s, int (*fn)(void *arg, const struct hb_store_policy *p), void *arg);

struct hb_store_policy_kind { /* hashes; "": none */
        char kind[16], active[33], shadow[33], previous[33];
        char rejected[33];   /* the last one that was rolled back: not promoted again by itself */
        char configured[64]; /* the name that the settings had when this was decided */
        bool promoted, previous_promoted; /* else: as the settings name it */
        double canary;                    /* the shadow is active on this share of the guests; 0: on none */
        uint64_t wall_ns;                 /* since when the active one is */
};
struct hb_store_policy_event {
        int64_t rowid;
        uint64_t wall_ns;
        char who[48], op[16], kind[16], name[64], hash[33], previous[33];
        char why[256], guests[1024], result[256];
};
/* The kind's places and what was done to them, both or neither; either may be NULL. */
int hb_store_policy_decide(hb_store *s, const struct hb_store_policy_kind *k,
                           const struct hb_store_policy_event *ev, struct hb_err *e);
int hb_store_policy_kind_get(hb_store *s, const char *kind, struct hb_store_policy_kind *ret); /* -ENOENT */
/* Newest first; kind "": all. */
int hb_store_policy_events(hb_store *s, const char *kind, unsigned limit,
                           int (*fn)(void *arg, const struct hb_store_policy_event *ev), void *arg);

/* Params that were tuned, by version: they go with it wherever it is put. */
struct hb_store_policy_param {
        char kind[16], hash[33], param[64];
        double value;
};
int hb_store_policy_tune(hb_store *s, const struct hb_store_policy_param *p,
                         const struct hb_store_policy_event *ev, struct hb_err *e);
int hb_store_policy_params(hb_store *s, const char *kind, const char *hash,
                           int (*fn)(void *arg, const struct hb_store_policy_param *p), void *arg);
