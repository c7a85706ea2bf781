/* state: what a tracker must not lose when its process is killed: a file on tmpfs, mapped and written as we
 * go.
 *
 * It holds the pages reported but not yet committed (`pending`), the pages believed resident, the kernel's
 * output buffer of the scan that may be running (`vec`), and the number of the userfaultfd in the target.
 * Without a path the same memory is anonymous. All room is taken at open, so a full file system is an error
 * there and not a SIGBUS later. */
#pragma once
#include "base/bitmap.h"
#include "track/pmscan.h"
#include "track/target.h"
#include <stdbool.h>

enum hb_state_found {
        HB_STATE_FRESH,   /* none, or one of another process */
        HB_STATE_RESUMED, /* a predecessor's, of this very process and memory */
        HB_STATE_DAMAGED, /* this cannot be trusted; emptied */
};

struct hb_state {
        int fd;
        char path[4096]; /* empty: anonymous */
        uint8_t *map;
        uint64_t map_bytes;
        struct hb_bitmap resident, pending; /* lie in the map */
        struct hb_pm_run *vec;
        uint32_t vec_entries;
        uint8_t *extra;
        uint64_t extra_bytes;
        int32_t remote_fd; /* saved by hb_state_save */
        uint64_t seed;
        uint8_t identity[4096];
        uint32_t identity_bytes;
};

/* -ENOSPC, -EACCES ... with the path named. */
int hb_state_open(const hb_target *t, const char *backend, const char *path, uint32_t vec_entries,
                  uint64_t extra_bytes, struct hb_state **ret, enum hb_state_found *ret_found,
                  struct hb_err *e);
void hb_state_save(struct hb_state *s); /* from now on a successor may resume it */
void hb_state_empty(
        struct hb_state *s); /* forget everything; a successor starts afresh until the next save */
/* NULL allowed; with `remove` the file goes too. */
struct hb_state *hb_state_free(struct hb_state *s, bool remove);

/* The header, apart from its file; for the fuzzer. -EBADMSG. */
struct hb_state_header {
        const uint8_t *identity; /* points into the data */
        uint32_t identity_bytes;
        int32_t remote_fd;
        bool ready;
        uint64_t seed;
        uint32_t vec_entries;
        uint64_t extra_bytes;
};
int hb_state_decode(struct hb_rd *in, struct hb_state_header *ret);
void hb_state_encode(const struct hb_state_header *h, struct hb_buf *out);
