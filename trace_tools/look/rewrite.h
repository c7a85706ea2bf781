/* rewrite: a trace made of other traces: a part of one, several joined, one made anonymous, one repaired.
 *
 * The files read are never touched. The result is written beside its place and renamed, so that it is there
 * whole or not at all. Everything is streamed: memory is one block a file, and a bit a page where noted. */
#pragma once
#include "look/heat.h" /* hb_look_tick */

struct hb_look_result {
        uint64_t epochs, records, events; /* written */
        uint64_t left_out;                /* events that were not taken over */
        uint64_t bytes_in, bytes;
        uint32_t first_epoch, last_epoch; /* of the result; 0: it has none */
        uint64_t seconds_ns;              /* from the beginning of the first to the last */
        uint64_t gaps, missing_epochs;    /* repair: places where blocks were lost */
        bool cut_short;                   /* a file read has no end: cut short, or still being written */
        char lost[160];                   /* repair: what the first gap was */
};

struct hb_look_output {
        const char *path;
        bool replace; /* an existing file; else -EEXIST */
        /* hb_look_merge: each part numbers its epochs from the begin, as the recordings of a guest on the
         * hosts it moved between do; the result's go on where the part before it ended */
        bool number_on;
        hb_look_tick *tick;
        void *arg;
};

/* ---- a part ----
 * Epochs in [from, to], or with by_time those whose time is in [from_ns, to_ns]; 0 and UINT32/64_MAX: open.
 * Epoch numbers, times and page numbers stay what they are. Events go with the epoch that ends after them.
 * Engine inputs are kept only from a beginning of the engine that lies inside, and not with a range of pages:
 * without it they mean nothing. What was known of resident pages before the part is told at its beginning. */
struct hb_look_cut {
        bool by_time;
        uint32_t from, to;
        uint64_t from_ns, to_ns;
        uint64_t first_page, npages; /* npages 0: to the last */
};
int hb_look_cut(const char *in, const struct hb_look_cut *what, const struct hb_look_output *o,
                struct hb_look_result *ret, struct hb_err *e);

/* ---- several ----
 * Parts of one recording in their order: same guest, shape (the last region may have grown), epochs, engine.
 * -EINVAL says which differs or overlaps. */
int hb_look_merge(const char *const *in, unsigned n, const struct hb_look_output *o,
                  struct hb_look_result *ret, struct hb_err *e);
/* Guests side by side: the regions of all in one shape, named GUEST.REGION, each guest at its own beginning.
 * Only accesses, residence and marks; at most HB_MAX_REGIONS regions. */
int hb_look_merge_side(const char *const *in, unsigned n, const struct hb_look_output *o,
                       struct hb_look_result *ret, struct hb_err *e);

/* ---- without names ----
 * Guest, host and region names, the note, the date, the texts of marks go (those that name policies stay);
 * blocks of 512 pages change places within their region, keeping the order inside. Engine inputs and
 * fingerprints go. Who knows the key can undo the exchange. */
struct hb_look_key {
        uint64_t k[2];
};
int hb_look_anonymize(const char *in, const struct hb_look_key *key, const struct hb_look_output *o,
                      struct hb_look_result *ret, struct hb_err *e);

/* ---- what is whole of a damaged one ----
 * Every whole block, with HB_MARK_REPAIRED (value: epochs missing, text: why) where something was lost.
 * Engine inputs after a gap are left out up to the engine's next beginning. */
int hb_look_repair(const char *in, const struct hb_look_output *o, struct hb_look_result *ret,
                   struct hb_err *e);
