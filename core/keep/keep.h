/* keep: what guests that moved away leave behind: their memory and its fingerprints, in files, so that a
 * guest which comes back finds on this host what it has not changed elsewhere.
 *
 * One memory is a guest's at the end of one visit, in two files of the keep's folder (0700, files 0600):
 *   GUEST.VISIT.mem   the pages, each where its gfn says, holes where none was kept
 *   GUEST.VISIT.kept  which pages, their prints, and what is known of the visit; checked as a whole
 * The .kept file is put last and at once; without a good one the .mem beside it is nobody's and is removed
 * when the folder is opened. Bytes are not synced: each page is printed again by whoever uses it, so what a
 * crash spoiled costs that page and nothing else.
 *
 * hb_keep is the list of them, owned by one thread (the loop); a writer and the functions of a single memory
 * belong to the thread that calls them. */
#pragma once
#include "map/fingerprint.h"

typedef struct hb_keep hb_keep;
typedef struct hb_keep_writer hb_keep_writer;

struct hb_kept { /* one memory */
        char guest[HB_NAME_MAX];
        uint64_t visit_ns;   /* wall time of its departure: the visit's name */
        uint64_t secret_id;  /* of the key its prints are made with */
        uint64_t absence_ns; /* how long this guest was away before it came back, on the average; 0: never did
                              */
        uint32_t departures; /* of this guest from this host so far, this one included */
        uint64_t pages_total; /* the guest's */
        uint64_t pages;       /* kept; 4096 bytes each */
};

/* ---- the list ---- */
/* Makes the folder if need be, takes it for itself (-EBUSY: another has it), throws away what is half made or
 * damaged (*ret_thrown: how many), and lists the rest. */
int hb_keep_open(const char *dir, uint64_t budget_bytes, hb_keep **ret, unsigned *ret_thrown,
                 struct hb_err *e);
hb_keep *hb_keep_free(hb_keep *k); /* files stay */
const char *hb_keep_dir(const hb_keep *k);
void hb_keep_set_budget(hb_keep *k, uint64_t budget_bytes);
uint64_t hb_keep_bytes(const hb_keep *k);
uint64_t hb_keep_budget(const hb_keep *k);
/* What a memory is worth a byte, from 0 to 1: the expected share of its bytes that its guest will come back
 * for. `newer`: memories of the same guest that are newer. The model is docs/DECISIONS.md, "What is kept":
 *
 *   comes back    (departures - 1 + 1) / (departures + 2), for each departure but the last was followed by a
 *                 return (Laplace's rule); halved for each 2 x absence (a day, if it is not known) it has
 * been away still good    a quarter stays for ever (programs, kernel), the rest halves each hour superseded
 * each newer memory of the guest has nine tenths of it
 *
 * Equal sizes of what is freed and taken cancel out, so bytes are compared by this alone. */
double hb_keep_worth(const struct hb_kept *m, unsigned newer, uint64_t now_wall_ns);
/* Makes room for `bytes` of `coming` by dropping what is worth less; each is told first. -ENOSPC: what is
 * there is worth more, or the budget is smaller than that; nothing was dropped. */
int hb_keep_make_room(hb_keep *k, const struct hb_kept *coming, uint64_t bytes, uint64_t now_wall_ns,
                      void (*dropping)(void *arg, const struct hb_kept *m), void *arg);
int hb_keep_add(hb_keep *k, const struct hb_kept *m);               /* a writer has ended it; -ENOMEM */
int hb_keep_drop(hb_keep *k, const char *guest, uint64_t visit_ns); /* and its files; -ENOENT */
/* The n-th, oldest first; NULL: no more. Until the next add or drop. */
const struct hb_kept *hb_keep_get(const hb_keep *k, unsigned n);
unsigned hb_keep_newer(const hb_keep *k, const struct hb_kept *m); /* of the same guest */

/* ---- one memory; any thread ---- */
int hb_keep_open_memory(const char *dir, const struct hb_kept *m, int *ret_fd, struct hb_err *e);
/* Bytes of one page. -ENODATA: beyond the end. */
int hb_keep_read(int fd, uint64_t gfn, uint8_t out[HB_PAGE_SIZE]);
/* Each kept page with its print, ascending; `page` non-zero ends it with that. -EBADMSG: damaged. */
typedef int hb_keep_page(void *arg, uint64_t gfn, const struct hb_print *p);
int hb_keep_prints(const char *dir, const struct hb_kept *m, hb_keep_page *page, void *arg);

/* ---- a writer; any thread ---- */
/* `m`: all but pages. At most max_pages are taken. */
int hb_keep_write(const char *dir, const struct hb_kept *m, uint64_t max_pages, hb_keep_writer **ret,
                  struct hb_err *e);
/* Pages [gfn, gfn + n) and their prints, beyond what was given before. from_fd, at from_offset: a file that
 * has the same bytes and whose blocks are shared if the two filesystems are one that can; -1: none. -ENOSPC:
 * as many as may be are there. */
int hb_keep_write_pages(hb_keep_writer *w, uint64_t gfn, uint64_t n, const uint8_t *bytes,
                        const struct hb_print *prints, int from_fd, uint64_t from_offset);
uint64_t
hb_keep_write_shared(const hb_keep_writer *w); /* pages whose blocks are shared with where they came from */
int hb_keep_write_end(hb_keep_writer *w, struct hb_kept *ret, struct hb_err *e); /* frees w in any case */
hb_keep_writer *hb_keep_write_abandon(hb_keep_writer *w); /* removes what was written; NULL allowed */
