/* duplicates_priv: what the files of duplicates share. duplicates.c the object, sources of bytes and the
 * index; duplicates_print.c the printing thread and its budget; duplicates_source.c guests and their tags;
 * duplicates_target.c what a target knows of a placement's pages; duplicates_copy.c copying;
 * duplicates_keep.c kept memory; duplicates_files.c files an operator named, and filling the index from disk.
 */
#pragma once
#include "base/workers.h"
#include "daemon/duplicates.h"
#include "daemon/guest.h"
#include "daemon/incoming.h"
#include "daemon/outgoing.h"
#include "keep/keep.h"
#include "map/dup_index.h"
#include "map/print_schedule.h"
#include "map/tags.h"
#include <pthread.h>
#include <stdatomic.h>

/* ---- duplicates.c: a source is where bytes can be read from, whoever is gone meanwhile ---- */
enum hb_dup_kind { HB_DUP_GUEST, HB_DUP_IMAGE, HB_DUP_KEPT, HB_DUP_FILE, HB_DUP_KINDS };

struct hb_dup_part {
        uint64_t first, pages, offset; /* of page `first` in fd */
        int fd;                        /* ours */
};

struct hb_dup_source {
        struct hb_dup_source *next; /* loop */
        atomic_uint refs;
        enum hb_dup_kind kind;
        char name[256];
        uint32_t owner;         /* in the index */
        atomic_bool gone;       /* no more use filling the index with it */
        _Atomic uint32_t epoch; /* guests: the last completed scan that the loop has told of */
        unsigned nparts;
        struct hb_dup_part parts[HB_MAX_REGIONS];
        struct hb_kept kept;               /* HB_DUP_KEPT */
        uint64_t dev, ino, size, mtime_ns; /* HB_DUP_FILE */
        _Atomic uint64_t indexed;          /* pages put so far, kept memory and files */
};

struct hb_dup_counts {
        uint64_t printed_pages, print_cpu_ns; /* of guests and images */
        uint64_t tags_sent, tags_seen, candidates, asked, prints_sent, prints_seen, found;
        uint64_t copied_bytes, refuted_pages, kept_failed;
};

struct hb_duplicates {
        hb_daemon *d;
        hb_fingerprint *f;
        uint64_t began_ns;
        pthread_mutex_t lock; /* of the index alone */
        hb_dup_index *index;
        struct hb_dup_source *sources;   /* in the index now */
        struct hb_dup_source **by_owner; /* HB_DUP_OWNERS; NULL: none */
        struct hb_dup_guest *guests;
        struct hb_dup_image *images;
        /* printing */
        struct event *tick;
        hb_jobs *printing;
        struct hb_dup_print *job; /* under way */
        double credit_ns;
        uint64_t round;
        uint64_t credit_at_ns, files_at_ns;
        /* copying */
        hb_workers *copiers;
        unsigned copies; /* runs under way */
        /* keeping and filling the index, each in order */
        hb_jobs *keeping, *filling;
        hb_keep *keep; /* NULL: cannot be */
        char keep_trouble[200];
        uint64_t coming_bytes; /* of memories being written */
        atomic_bool stopping;
        struct hb_dup_counts n;
};

/* Takes the parts' descriptors; they are closed on failure, too. In the index from here. */
int hb_dup_source_new(struct hb_duplicates *x, enum hb_dup_kind kind, const char *name,
                      const struct hb_dup_part *parts, unsigned nparts, struct hb_dup_source **ret);
void hb_dup_source_drop(struct hb_duplicates *x,
                        struct hb_dup_source *s); /* out of the index; NULL allowed */
struct hb_dup_source *hb_dup_source_ref(struct hb_dup_source *s);
void hb_dup_source_unref(struct hb_dup_source *s); /* any thread */
/* Bytes of n pages side by side. Any thread. -ENODATA: not all of them are there. */
int hb_dup_source_read(const struct hb_dup_source *s, uint64_t page, uint64_t n, uint8_t *out);
/* How many pages from `page` on lie side by side, at most `most`; 0: none. Sets where (NULL allowed). */
uint64_t hb_dup_source_run(const struct hb_dup_source *s, uint64_t page, uint64_t most, int *ret_fd,
                           uint64_t *ret_offset);
/* Any thread: into the index; pages of zeros are left out. */
void hb_dup_put(struct hb_duplicates *x, uint32_t owner, uint64_t page, const struct hb_print *p);
bool hb_dup_is_zero(const struct hb_duplicates *x, const struct hb_print *p);
void hb_dup_low_priority(int nice); /* of the calling thread */

/* ---- duplicates_print.c ---- */
#define HB_DUP_BATCH 2048u
enum hb_dup_why { HB_DUP_SCHEDULED, HB_DUP_ASKED, HB_DUP_HELD };
struct hb_dup_print { /* one batch: the job's until its answer is on the loop */
        struct hb_duplicates *x;
        struct hb_dup_source *source;
        enum hb_dup_why why;
        struct hb_dup_guest *guest; /* NULL: gone meanwhile, or an image's */
        struct hb_dup_image *image;
        uint32_t stamp; /* taken before the first byte is read */
        uint64_t cpu_ns;
        bool waited_for; /* by the target of a placement */
        uint32_t n;
        uint32_t gfn[HB_DUP_BATCH];
        struct hb_print print[HB_DUP_BATCH];
        bool read[HB_DUP_BATCH];
};
int hb_dup_printing_begin(struct hb_duplicates *x);
void hb_dup_printing_end(struct hb_duplicates *x);

/* ---- duplicates_source.c ---- */
struct hb_dup_guest {
        struct hb_dup_guest *next;
        struct hb_duplicates *x;
        struct hb_guest *g;
        struct hb_dup_source *source;
        hb_print_schedule *schedule;
        uint32_t *tags; /* of the pages in `tagged`, which were not written since they were printed */
        struct hb_bitmap tagged, unsent, asked;
        bool begun, agreed;      /* agreed: with the target of the placement */
        bool tags_due, asks_due; /* unsent, asked may hold something */
        uint64_t served_ns;      /* a batch of its was last printed */
        uint64_t asked_round;
};
bool hb_dup_guest_fill(struct hb_dup_guest *dg, struct hb_dup_print *job, enum hb_dup_why why);
void hb_dup_guest_printed(struct hb_dup_guest *dg, const struct hb_dup_print *job);
void hb_dup_guest_send(struct hb_dup_guest *dg); /* tags that are due */

/* ---- duplicates_target.c ---- */
enum hb_dup_state { HB_DUP_NOTHING, HB_DUP_CANDIDATE, HB_DUP_WAITS, HB_DUP_KNOWN };
struct hb_dup_entry {
        struct hb_print print; /* its tag alone until the rest is known */
        uint32_t stamp, owner /* 0: zeros */, page;
        uint8_t state;
};
#define HB_DUP_BLOCK 512u
struct hb_dup_block {
        unsigned used;
        struct hb_dup_entry e[HB_DUP_BLOCK];
};
struct hb_dup_image {
        struct hb_dup_image *next;
        struct hb_duplicates *x;
        struct hb_incoming *in;
        struct hb_dup_source *source;
        struct hb_dup_block **blocks;
        uint64_t nblocks;
        unsigned have, most; /* blocks allocated, and allowed */
        struct hb_bitmap to_ask, printed;
        bool agreed, held_once, hold_over;
        uint64_t waiting; /* pages asked for */
        uint64_t opened_ns, heard_ns, asked_ns, tags, candidates;
        uint64_t cursor, served_ns;
        struct hb_dup_copy *copies; /* under way */
        pthread_mutex_t lock;
        pthread_cond_t idle;
        unsigned running; /* copies not yet done by the thread, under lock */
        atomic_bool ending;
        uint64_t swept; /* block */
};
struct hb_dup_entry *hb_dup_entry(struct hb_dup_image *di, uint64_t gfn); /* NULL: none */
void hb_dup_entry_clear(struct hb_dup_image *di, uint64_t gfn);
bool hb_dup_image_fill(struct hb_dup_image *di, struct hb_dup_print *job);
void hb_dup_image_printed(struct hb_dup_image *di, const struct hb_dup_print *job);
void hb_dup_image_tick(struct hb_dup_image *di, uint64_t now);

/* ---- duplicates_copy.c ---- */
int hb_dup_copy_begin(struct hb_dup_image *di, uint64_t gfn, uint32_t pages);
void hb_dup_copies_end(struct hb_dup_image *di); /* waits; their answers come to nothing */

/* ---- duplicates_keep.c, duplicates_files.c ---- */
int hb_dup_keep_begin(struct hb_duplicates *x);
void hb_dup_fill_kept(struct hb_duplicates *x, const struct hb_kept *m);
void hb_dup_files_look(struct hb_duplicates *x, uint64_t now);     /* for files that came, changed or went */
int hb_dup_fill(struct hb_duplicates *x, struct hb_dup_source *s); /* the index with it, in the background */
