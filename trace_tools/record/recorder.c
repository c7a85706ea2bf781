/* recorder: the side that records. Invariant: nothing here waits: the queue takes or refuses at once, and the
 * lock of the status is never held for longer than a few stores. Cost: one copy of the bytes; an epoch costs
 * its runs. Owned by one thread, the daemon's loop. */
#include "record/recorder.h"
#include "base/fault.h"
#include "map/summary.h"
#include "record/recorder_priv.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES (16u << 20)
#define FLUSH_MS    5000u

static const char *const drop_words[HB_DROPS] = {"input", "epoch", "event"};

const char *hb_recorder_state_name(enum hb_recorder_state s) {
        switch (s) {
        case HB_RECORDER_OPENING:
                return "opening";
        case HB_RECORDER_WRITING:
                return "recording";
        case HB_RECORDER_ENDED:
                return "ended";
        case HB_RECORDER_FAILED:
                return "failed";
        }
        return "unknown";
}

/* ---- made and unmade ---- */

/* Signals are the loop's. */
static int start_thread(hb_recorder *r) {
        sigset_t all, before;
        int rc;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = hb_fault("record.thread") ? EAGAIN : pthread_create(&r->thread, NULL, hb_recorder_thread, r);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        r->threaded = rc == 0;
        return -rc;
}

int hb_recorder_new(const char *path, const struct hb_trace_header *h, const struct hb_recorder_options *o,
                    hb_recorder **ret, struct hb_err *e) {
        hb_recorder *r;
        int rc = -ENOMEM;

        if (strlen(path) >= sizeof(r->path))
                return hb_err_set(e, -ENAMETOOLONG, path, "use a shorter path",
                                  "the trace's path does not fit");
        r = hb_fault("record.new") ? NULL : calloc(1, sizeof(*r));
        if (!r)
                goto fail;
        r->o = *o;
        r->o.queue_bytes = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
        r->o.flush_ms = o->flush_ms ? o->flush_ms : FLUSH_MS;
        snprintf(r->path, sizeof(r->path), "%s", path);
        snprintf(r->status.file, sizeof(r->status.file), "%s", path);
        r->header = *h;
        r->header.part = 0;
        rc = hb_bitmap_init(&r->resident, h->shape.pages);
        if (rc == 0)
                rc = hb_record_queue_init(&r->queue, r->o.queue_bytes);
        if (rc == 0)
                rc = start_thread(r);
        if (rc < 0)
                goto fail;
        *ret = r;
        return 0;
fail:
        hb_recorder_free(r);
        return hb_err_set(e, rc, path, NULL, "no memory for a recording");
}

void hb_recorder_end(hb_recorder *r) {
        if (!r->ended && r->threaded) {
                r->ended = true;
                hb_record_queue_end(&r->queue);
        }
}

hb_recorder *hb_recorder_free(hb_recorder *r) {
        if (!r)
                return NULL;
        hb_recorder_end(r);
        if (r->threaded)
                pthread_join(r->thread, NULL);
        hb_record_queue_fini(&r->queue);
        hb_bitmap_fini(&r->resident);
        hb_buf_free(&r->scratch);
        free(r->access);
        free(r);
        return NULL;
}

void hb_recorder_status(hb_recorder *r, struct hb_recorder_status *ret) {
        size_t used = hb_record_queue_used(&r->queue);

        pthread_mutex_lock(&r->queue.lock);
        *ret = r->status;
        pthread_mutex_unlock(&r->queue.lock);
        ret->queued_bytes = used;
        ret->inputs_lost = r->inputs_lost;
}

/* ---- putting ---- */

static int put_mark(hb_recorder *r, uint64_t now_ns, enum hb_trace_mark kind, uint64_t value,
                    const char *text) {
        struct {
                struct hb_queued_mark m;
                char text[256];
        } b = {.m = {.value = value, .kind = kind}};
        size_t n = text ? strlen(text) : 0;

        if (n > sizeof(b.text) - 1)
                n = sizeof(b.text) - 1;
        if (n)
                memcpy(b.text, text, n);
        return hb_record_queue_put(&r->queue,
                                   &(struct hb_queued){.kind = HB_QUEUED_MARK,
                                                       .time_ns = now_ns,
                                                       .size = (uint32_t)(offsetof(__typeof__(b), text) + n)},
                                   &b);
}

static void count_dropped(hb_recorder *r, int what) {
        r->dropped[what]++;
        if (what == HB_DROP_INPUT)
                r->inputs_lost = true;
        pthread_mutex_lock(&r->queue.lock);
        r->status.dropped++;
        pthread_mutex_unlock(&r->queue.lock);
}

/* What was dropped is told before anything that came after it. */
static bool told_dropped(hb_recorder *r, uint64_t now_ns) {
        for (int k = 0; k < HB_DROPS; k++) {
                if (!r->dropped[k])
                        continue;
                if (put_mark(r, now_ns, HB_MARK_DROPPED, r->dropped[k], drop_words[k]) < 0)
                        return false;
                r->dropped[k] = 0;
        }
        return true;
}

static void put(hb_recorder *r, int what, const struct hb_queued *head, const void *bytes) {
        if (r->ended)
                return;
        if (hb_fault("record.full") || !told_dropped(r, head->time_ns) ||
            hb_record_queue_put(&r->queue, head, bytes) < 0)
                count_dropped(r, what);
}

void hb_recorder_mark(hb_recorder *r, uint64_t now_ns, enum hb_trace_mark kind, uint64_t value,
                      const char *text) {
        if (r->ended)
                return;
        if (!told_dropped(r, now_ns) || put_mark(r, now_ns, kind, value, text) < 0)
                count_dropped(r, HB_DROP_EVENT);
}

void hb_recorder_event(hb_recorder *r, const struct hb_trace_event *ev) {
        struct hb_queued head = {
                .kind = HB_QUEUED_EVENT, .stream = (uint16_t)ev->stream, .time_ns = ev->time_ns};

        if (ev->stream == HB_TRACE_MARK) {
                hb_recorder_mark(r, ev->time_ns, ev->mark.kind, ev->mark.value, ev->mark.text);
                return;
        }
        if (ev->stream == HB_TRACE_INPUT || ev->stream == HB_TRACE_RESIDENT ||
            ev->stream == HB_TRACE_FINGERPRINT) {
                head.kind = HB_QUEUED_RAW;
                head.size = (uint32_t)ev->raw.size;
                put(r, ev->stream == HB_TRACE_INPUT ? HB_DROP_INPUT : HB_DROP_EVENT, &head, ev->raw.data);
                return;
        }
        head.size = sizeof(ev->outcome); /* the largest of the rest */
        put(r, HB_DROP_EVENT, &head, &ev->outcome);
}

static void put_raw(hb_recorder *r, enum hb_trace_stream s, int what, uint64_t now_ns) {
        if (r->scratch.failed)
                count_dropped(r, what);
        else
                put(r, what,
                    &(struct hb_queued){.kind = HB_QUEUED_RAW,
                                        .stream = (uint16_t)s,
                                        .time_ns = now_ns,
                                        .size = (uint32_t)r->scratch.len},
                    r->scratch.data);
}

void hb_recorder_input(hb_recorder *r, uint64_t now_ns, const struct hb_engine_input *in) {
        if (in->kind == HB_IN_BEGIN)
                r->inputs_lost = false;
        if (r->inputs_lost) {
                count_dropped(r, HB_DROP_INPUT);
                return;
        }
        hb_buf_reset(&r->scratch);
        hb_engine_input_encode(in, &r->scratch);
        put_raw(r, HB_TRACE_INPUT, HB_DROP_INPUT, now_ns);
}

void hb_recorder_resident(hb_recorder *r, uint64_t now_ns, const struct hb_bitmap *pages) {
        hb_buf_reset(&r->scratch);
        hb_runs_encode(pages, &r->scratch);
        if (r->scratch.len)
                put_raw(r, HB_TRACE_RESIDENT, HB_DROP_EVENT, now_ns);
}

/* Two lists of runs, the reads' length before them. */
void hb_recorder_epoch(hb_recorder *r, uint32_t epoch, uint64_t now_ns, const struct hb_bitmap *reads,
                       const struct hb_bitmap *writes) {
        struct hb_buf *b = &r->scratch;

        hb_buf_reset(b);
        hb_buf_u32(b, 0);
        if (reads)
                hb_runs_encode(reads, b);
        if (!b->failed)
                hb_buf_set_u32(b, 0, (uint32_t)(b->len - sizeof(uint32_t)));
        if (writes)
                hb_runs_encode(writes, b);
        if (b->failed)
                count_dropped(r, HB_DROP_EPOCH);
        else
                put(r, HB_DROP_EPOCH,
                    &(struct hb_queued){.kind = HB_QUEUED_EPOCH,
                                        .epoch = epoch,
                                        .time_ns = now_ns,
                                        .size = (uint32_t)b->len},
                    b->data);
}
