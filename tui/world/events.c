/* events: what happened, from all seats, in the order it came in. Texts lie in one block of RING_BYTES that
 * is written round and round, an event's five strings behind each other; the oldest events go when their room
 * or their place is needed. So the memory is the same after ten events and after ten million.
 *
 * Events are told apart by their daemon's own numbers: after a reconnect the ring of the daemon is sent
 * again, and only what is new counts; a gap in the numbers there is what was missed. Between ticks the daemon
 * says itself how many it left out. */
#include "base/fault.h"
#include "world/world_priv.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES  (4u << 20)
#define TEXT_MAX    512u /* each; longer is cut */
#define EVENT_TEXTS 5u
#define MAX_A_TICK  4096u

struct kept {
        uint64_t number;
        double time;
        uint32_t at, size; /* in `text` */
        unsigned seat;
        enum hb_event_level level;
};

struct event_ring {
        struct kept kept[HB_WORLD_EVENTS]; /* number % HB_WORLD_EVENTS */
        uint64_t first, next;              /* kept are [first, next) */
        uint64_t missed;
        uint32_t head;
        char text[RING_BYTES];
};

event_ring *hb_world_ring_new(void) {
        return hb_fault("world.ring") ? NULL : calloc(1, sizeof(event_ring));
}

event_ring *hb_world_ring_free(event_ring *r) {
        free(r);
        return NULL;
}

static void forget_oldest(event_ring *r) {
        r->first++;
        r->missed++;
}

/* Room of `size` behind the newest; the oldest that are in its way go. */
static uint32_t make_room(event_ring *r, uint32_t size) {
        uint32_t at = r->head;

        if (at + size > RING_BYTES) { /* those up to the end of the block are the oldest */
                while (r->first < r->next && r->kept[r->first % HB_WORLD_EVENTS].at >= at)
                        forget_oldest(r);
                at = 0;
        }
        while (r->first < r->next) {
                const struct kept *k = &r->kept[r->first % HB_WORLD_EVENTS];

                if (k->at + k->size <= at || k->at >= at + size)
                        break;
                forget_oldest(r);
        }
        r->head = at + size;
        return at;
}

static enum hb_event_level level_of(const char *s) {
        return strcmp(s, "error") == 0     ? HB_EVENT_ERROR
               : strcmp(s, "warning") == 0 ? HB_EVENT_WARNING
               : strcmp(s, "notice") == 0  ? HB_EVENT_NOTICE
                                           : HB_EVENT_INFO;
}

static void keep(event_ring *r, unsigned seat, const json_t *o) {
        static const char *const keys[EVENT_TEXTS] = {"kind", "guest", "host", "text", "next"};
        char text[EVENT_TEXTS * TEXT_MAX];
        uint32_t size = 0;
        struct kept *k;
        double time = hb_world_real(o, "time");

        for (unsigned i = 0; i < EVENT_TEXTS; i++) {
                hb_world_copy_text(text + size, TEXT_MAX, hb_world_text(o, keys[i]));
                size += (uint32_t)strlen(text + size) + 1;
        }
        if (r->next - r->first == HB_WORLD_EVENTS)
                forget_oldest(r);
        k = &r->kept[r->next % HB_WORLD_EVENTS];
        k->at = make_room(r, size);
        k->size = size;
        memcpy(r->text + k->at, text, size);
        k->number = r->next++;
        k->seat = seat;
        k->level = level_of(hb_world_text(o, "level"));
        k->time = isnan(time) ? 0 : time;
}

/* The daemon's number; 0: it gives none. */
static uint64_t seq_of(const json_t *o) {
        const json_t *v = json_object_get(o, "seq");

        return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

/* A daemon that was started again counts from the beginning. */
static void notice_restart(struct seat *s, const json_t *tick, const json_t *events) {
        double up = hb_world_real(tick, "uptime_s");
        size_t n = json_array_size(events);
        uint64_t newest = n ? seq_of(json_array_get(events, n - 1)) : 0;

        if (s->again && (up < s->uptime || (n && newest < s->event_seq)))
                s->event_seq = 0;
        s->uptime = isnan(up) ? 0 : up;
        s->again = false;
}

void hb_world_ring_take(struct seat *s, json_t *tick) {
        event_ring *r = s->w->events;
        const json_t *events = json_object_get(tick, "events"),
                     *skip = json_object_get(tick, "events_skipped");
        json_int_t said = json_is_integer(skip) ? json_integer_value(skip) : 0;
        uint64_t missed = said > 0 ? (uint64_t)said : 0, before;
        size_t n = json_array_size(events);
        bool again = s->again;

        notice_restart(s, tick, events);
        before = s->event_seq;
        for (size_t i = n > MAX_A_TICK ? n - MAX_A_TICK : 0; i < n; i++) {
                const json_t *o = json_array_get(events, i);
                uint64_t seq = seq_of(o);

                if (!json_is_object(o) || (seq && seq <= s->event_seq))
                        continue;
                if (again && before && seq) /* since the connection before; ticks say it of themselves */
                        missed += seq - s->event_seq - 1;
                if (seq)
                        s->event_seq = seq;
                keep(r, s->number, o);
        }
        r->missed += missed;
        s->pub.skipped_events += missed;
        json_object_del(tick, "events");
}

size_t hb_world_events(const hb_world *w) {
        return (size_t)(w->events->next - w->events->first);
}

uint64_t hb_world_events_missed(const hb_world *w) {
        return w->events->missed;
}

bool hb_world_event(const hb_world *w, size_t i, struct hb_event_seen *ret) {
        const event_ring *r = w->events;
        const char *text[EVENT_TEXTS];
        const struct kept *k;

        if (i >= r->next - r->first)
                return false;
        k = &r->kept[(r->next - 1 - i) % HB_WORLD_EVENTS];
        text[0] = r->text + k->at;
        for (unsigned t = 1; t < EVENT_TEXTS; t++)
                text[t] = text[t - 1] + strlen(text[t - 1]) + 1;
        *ret = (struct hb_event_seen){.number = k->number + 1,
                                      .seat = k->seat,
                                      .level = k->level,
                                      .time = k->time,
                                      .kind = text[0],
                                      .guest = text[1],
                                      .host = text[2],
                                      .text = text[3],
                                      .next = text[4]};
        return true;
}
