/* event_ring: see event_ring.h. Invariant: record (seq % room) holds event seq, for the `count` newest seq.
 * Cost: an event is one record written; a choice goes once over what is new. One thread. */
#include "serve/event_ring.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS (HB_LOG_INFO - HB_LOG_ERR + 1)

struct hb_event_ring {
        unsigned room;
        uint64_t first, next, count; /* numbers of the first one ever, and of the next one */
        struct hb_event *events;
};

int hb_event_ring_new(unsigned room, uint64_t wall_ns, hb_event_ring **ret) {
        hb_event_ring *r = hb_fault("event_ring.new") ? NULL : calloc(1, sizeof *r);
        if (!r)
                return -ENOMEM;
        r->room = room ? room : 1;
        r->first = r->next = wall_ns / HB_NS_PER_MS + 1;
        r->events = calloc(r->room, sizeof *r->events);
        if (!r->events) {
                hb_event_ring_free(r);
                return -ENOMEM;
        }
        *ret = r;
        return 0;
}

hb_event_ring *hb_event_ring_free(hb_event_ring *r) {
        if (!r)
                return NULL;
        free(r->events);
        free(r);
        return NULL;
}

/* As the log has it: one line, whatever bytes came. */
static void take(char *to, size_t size, const char *from) {
        int n = snprintf(to, size, "%s", from ? from : "");
        if (n < 0)
                to[0] = '\0';
        if ((size_t)n >= size)
                memcpy(to + size - 4, "...", 4);
        for (char *p = to; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7F)
                        *p = *p == '\n' || *p == '\t' ? ' ' : '?';
}

uint64_t hb_event_ring_add(hb_event_ring *r, uint64_t wall_ns, int level, enum hb_event_kind kind,
                           const char *guest, const char *host, const char *text, const char *next) {
        struct hb_event *e = &r->events[r->next % r->room];
        e->seq = r->next++;
        e->wall_ns = wall_ns;
        e->level = level < HB_LOG_ERR ? HB_LOG_ERR : level > HB_LOG_INFO ? HB_LOG_INFO : level;
        e->kind = kind;
        take(e->guest, sizeof e->guest, guest);
        take(e->host, sizeof e->host, host);
        take(e->text, sizeof e->text, text);
        take(e->next, sizeof e->next, next);
        r->count += r->count < r->room;
        return e->seq;
}

uint64_t hb_event_ring_newest(const hb_event_ring *r) {
        return r->next - 1;
}

uint64_t hb_event_ring_oldest(const hb_event_ring *r) {
        return r->next - r->count;
}

const struct hb_event *hb_event_ring_get(const hb_event_ring *r, uint64_t seq) {
        return seq < r->next && seq >= r->next - r->count ? &r->events[seq % r->room] : NULL;
}

/* ---- choosing ---- */

/* What is left for each level when graver ones have had theirs. */
static void share_out(const uint64_t there[LEVELS], unsigned most, uint64_t ret[LEVELS]) {
        for (unsigned l = 0; l < LEVELS; l++) {
                ret[l] = there[l] < most ? there[l] : most;
                most -= (unsigned)ret[l];
        }
}

unsigned hb_event_ring_choose(const hb_event_ring *r, uint64_t after, unsigned most, uint64_t *ret,
                              uint64_t *ret_skipped) {
        uint64_t there[LEVELS] = {0}, room[LEVELS], from = hb_event_ring_oldest(r);
        unsigned n = 0;
        if (after >= r->next)
                after = r->next - 1;
        if (after < r->first - 1) /* a number of an earlier life */
                after = r->first - 1;
        if (from <= after)
                from = after + 1;
        for (uint64_t s = from; s < r->next; s++)
                there[hb_event_ring_get(r, s)->level - HB_LOG_ERR]++;
        share_out(there, most, room);
        for (uint64_t s = from; s < r->next; s++) {
                unsigned l = (unsigned)(hb_event_ring_get(r, s)->level - HB_LOG_ERR);
                if (there[l]-- <= room[l]) /* the newest of its level */
                        ret[n++] = s;
        }
        *ret_skipped = r->next - 1 - after - n;
        return n;
}

/* ---- as JSON ---- */

const char *hb_event_level_word(int level) {
        switch (level) {
        case HB_LOG_ERR:
                return "error";
        case HB_LOG_WARNING:
                return "warning";
        case HB_LOG_NOTICE:
                return "notice";
        default:
                return "info";
        }
}

const char *hb_event_kind_word(enum hb_event_kind k) {
        static const char *const words[HB_EVENT_KINDS] = {"guest", "placement", "migration", "policy",
                                                          "trace", "network",   "daemon"};
        return k < HB_EVENT_KINDS ? words[k] : "daemon";
}

void hb_event_write(const struct hb_event *e, struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_pages(o, "seq", e->seq);
        hb_json_time(o, "time", (double)e->wall_ns / 1e9);
        hb_json_str(o, "level", hb_event_level_word(e->level));
        hb_json_str(o, "kind", hb_event_kind_word(e->kind));
        hb_json_str(o, "guest", e->guest);
        hb_json_str(o, "host", e->host);
        hb_json_str(o, "text", e->text);
        hb_json_str(o, "next", e->next);
        hb_json_close(o, '}');
}

static void write_answer(const hb_event_ring *r, uint64_t from, uint64_t to, uint64_t missed,
                         struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_open(o, "events", '[');
        for (uint64_t s = from; s < to; s++)
                hb_event_write(hb_event_ring_get(r, s), o);
        hb_json_close(o, ']');
        hb_json_pages(o, "missed", missed);
        hb_json_pages(o, "newest", hb_event_ring_newest(r));
        hb_json_close(o, '}');
}

json_t *hb_event_ring_answer(const hb_event_ring *r, int64_t after, int64_t limit) {
        uint64_t oldest = hb_event_ring_oldest(r), from = oldest, missed = 0;
        uint64_t most = limit < 1 ? 1 : limit > HB_EVENTS_ANSWERED ? HB_EVENTS_ANSWERED : (uint64_t)limit;
        if (after < 0)
                from = r->count > most ? r->next - most : oldest;
        else if ((uint64_t)after + 1 >= oldest)
                from = (uint64_t)after + 1 < r->next ? (uint64_t)after + 1 : r->next;
        else /* forgotten ones; of an earlier life's numbers nothing is known */
                missed = oldest - ((uint64_t)after + 1 > r->first ? (uint64_t)after + 1 : r->first);
        struct hb_json_out o = {0};
        write_answer(r, from, r->next - from > most ? from + most : r->next, missed, &o);
        json_t *j = o.buf.failed ? NULL : json_loadb((char *)o.buf.data, o.buf.len, 0, NULL);
        hb_buf_free(&o.buf);
        return j;
}
