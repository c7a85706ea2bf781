/* image: the prefetch buffer of one placement: files that *are* the guest's memory after hand-over, one a
 * region, on tmpfs or hugetlbfs, and one state file beside them (16 bytes a page), both mapped. Holes are
 * zero pages and cost nothing.
 *
 * Bytes are written by transport threads into hb_image_at(gfn); all else belongs to the loop thread. A page's
 * stamp is cleared (persistently) before a fetch may overwrite it and set after its bytes are in, so a kill
 * at any instant leaves every page marked fresh really whole. The state file has the guest's and placement's
 * identity, the processed epoch and the records. */
#pragma once
#include "base/bitmap.h"
#include "base/shape.h"
#include "map/heat.h"
#include "place/coherency.h"

typedef struct hb_image hb_image;

struct hb_image_page { /* 16 bytes: budget of DESIGN section 10 */
        struct hb_coherency_page c;
        uint32_t last_access; /* source epoch, from summaries */
        uint8_t write_q,
                read_q;  /* quantised heat (map/heat.h): writes as of last_access, reads as last told */
        uint8_t flags;   /* HB_IP_* */
        uint8_t fetches; /* transfers of this page so far, saturating */
};
enum {
        HB_IP_FETCHING = 1,
        HB_IP_RESIDENT = 2,   /* known to have held data on the source: must be fresh before a hand-over */
        HB_IP_ZERO = 4,       /* nothing but zeros is in the image there, and the copy was one */
        HB_IP_PREFETCHED = 8, /* the copy was made before the freeze */
        HB_IP_USED = 16,      /* accessed on the source since the copy was made */
        HB_IP_KNOWN = 32,     /* not fresh, and this host has its bytes; with FETCHING: being copied here */
        HB_IP_SPILLED = 64,   /* its bytes are in the spill file, not in memory: the image's own matter */
};

struct hb_image_id {
        uint8_t placement[16]; /* random, made by the source */
        char guest[HB_NAME_MAX], source[HB_NAME_MAX];
};

/* Creates or, when files with the same id and shape are there, resumes (ret_resumed). `dir` must be tmpfs or
 * hugetlbfs for regions with a large backing page. -ENOSPC: no room for `expected_bytes` (checked with
 * statvfs, message names path, needed and free). -EEXIST: files of another placement of this guest. */
int hb_image_open(const char *dir, const struct hb_image_id *id, const struct hb_shape *shape,
                  uint64_t expected_bytes, hb_image **ret, bool *ret_resumed, struct hb_err *e);
hb_image *hb_image_free(hb_image *i); /* files stay */
int hb_image_remove(hb_image *i);     /* unlinks files and frees */
/* After hand-over the region files belong to the guest: drops the state file, unmaps, keeps the region files.
 * Frees. */
int hb_image_release(hb_image *i);
const struct hb_shape *hb_image_shape(const hb_image *i);
const struct hb_image_id *hb_image_id(const hb_image *i);
const char *hb_image_region_path(const hb_image *i, unsigned region);
/* Contiguous within a region. Of a page that is HB_IP_SPILLED there is nothing: see image_spill.h. */
uint8_t *hb_image_at(hb_image *i, uint64_t gfn);
struct hb_image_page *hb_image_pages(hb_image *i); /* by gfn */
uint32_t hb_image_processed(const hb_image *i);
void hb_image_set_processed(hb_image *i, uint32_t epoch);
uint32_t *hb_image_processed_word(hb_image *i); /* for struct hb_engine_image; lives as long as the image */
/* Makes a page a hole again (zero); for zero pages that once held data. -errno of fallocate (falls back to
 * writing zeros). */
int hb_image_zero(hb_image *i, uint64_t gfn, uint64_t pages);
/* -ENOSPC when the filesystem is nearly full: fetching must pause (a write to a full tmpfs mapping is
 * SIGBUS). */
int hb_image_reserve(hb_image *i, uint64_t bytes, struct hb_err *e);
/* Commits filesystem space for a run (within one region) before it is fetched or copied there, so that no
 * store into it can be SIGBUS; nobody stores into a page without. Cheap when it is there already. -ENOSPC: do
 * not fetch; -EAGAIN: not now, a page is on its way to or from the disk. A page that then turns out zero is
 * given back by hb_image_zero. */
int hb_image_reserve_run(hb_image *i, uint64_t gfn, uint64_t pages, struct hb_err *e);
/* Sets bit k of `ret` for each page gfn + k, k < pages, that the files hold memory for; the others are holes
 * (or spilled), which reading through hb_image_at would fill. Any thread, while nothing is fetched. */
void hb_image_held(const hb_image *i, uint64_t gfn, uint64_t pages, struct hb_bitmap *ret);
/* Copies one page if fresh, also a spilled one (that waits for the disk). -ENODATA absent, -ESTALE stale,
 * -EINPROGRESS being fetched, -EINVAL no such gfn.
 */
int hb_image_read(hb_image *i, uint64_t gfn, uint8_t out[HB_PAGE_SIZE]);
/* Removes files in dir left by placements other than those named; returns how many. */
int hb_image_sweep(const char *dir, const struct hb_image_id *keep, unsigned n, struct hb_err *e);
