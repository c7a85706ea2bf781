/* event_ring: the newest events of a program, what it decided and what befell it, for those who watch. A
 * fixed number of records of fixed size: an event costs no allocation and no time worth naming; the oldest
 * give way.
 *
 * Numbers ascend by one, also over restarts (they begin at the milliseconds since 1970), so whoever has heard
 * all up to N asks for what is after N and learns how many it missed. One thread. */
#pragma once
#include "base/shape.h"
#include "control/json_out.h"

#define HB_EVENTS_KEPT 4096u

enum hb_event_kind {
        HB_ON_GUEST,
        HB_ON_PLACEMENT,
        HB_ON_MIGRATION,
        HB_ON_POLICY,
        HB_ON_TRACE,
        HB_ON_NETWORK,
        HB_ON_DAEMON,
        HB_EVENT_KINDS
};
struct hb_event {
        uint64_t seq, wall_ns;
        int level; /* HB_LOG_ERR .. HB_LOG_INFO */
        enum hb_event_kind kind;
        char guest[HB_NAME_MAX], host[HB_NAME_MAX]; /* "": none */
        char text[384], next[256];                  /* without control bytes; cut ones end in "..." */
};

typedef struct hb_event_ring hb_event_ring;
/* room: how many are kept. -ENOMEM. wall_ns: now; numbers begin there. */
int hb_event_ring_new(unsigned room, uint64_t wall_ns, hb_event_ring **ret);
hb_event_ring *hb_event_ring_free(hb_event_ring *r);
/* guest, host, next: NULL as "". Returns its number. */
uint64_t hb_event_ring_add(hb_event_ring *r, uint64_t wall_ns, int level, enum hb_event_kind kind,
                           const char *guest, const char *host, const char *text, const char *next);
uint64_t hb_event_ring_newest(const hb_event_ring *r);                          /* one less than the next */
uint64_t hb_event_ring_oldest(const hb_event_ring *r);                          /* newest + 1: it is empty */
const struct hb_event *hb_event_ring_get(const hb_event_ring *r, uint64_t seq); /* NULL: not kept */
/* Of the events after `after` the `most` that matter most: errors before warnings before notices before
 * infos, of alike ones the newest. ret: their numbers, oldest first. Returns how many; *ret_skipped: how many
 * after `after` are not among them, forgotten ones too. */
unsigned hb_event_ring_choose(const hb_event_ring *r, uint64_t after, unsigned most, uint64_t *ret,
                              uint64_t *ret_skipped);
void hb_event_write(const struct hb_event *e, struct hb_json_out *o); /* as docs/CONTROL.md, "event" */
const char *hb_event_level_word(int level);                           /* "error" ... "info" */
const char *hb_event_kind_word(enum hb_event_kind k);
/* The answer to `events`: those after `after`, at most `limit`; after < 0: the newest ones. */
#define HB_EVENTS_ANSWERED 1000u
json_t *hb_event_ring_answer(const hb_event_ring *r, int64_t after, int64_t limit);
