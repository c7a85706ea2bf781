/* recorder_write: the recorder's thread. Takes the queue's records in order and makes the trace of them;
 * opens, rotates and closes its files. Everything slow is here.
 *
 * Times of a trace never go back: what comes with an older one (inputs carry the time they were given, marks
 * the time they were made) gets the newest so far. After a failure the queue is emptied and forgotten until
 * its end, so that the side that records meets nothing new. Memory: the largest epoch's pages. */
#include "base/clock.h"
#include "base/fault.h"
#include "map/summary.h"
#include "record/recorder_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS 200u
#define NICE    10

/* ---- files ---- */

/* run.hbt, run.1.hbt, run.2.hbt */
static void part_path(const hb_recorder *r, uint32_t part, char *out, size_t size) {
        size_t n = strlen(r->path), ext = n > 4 && strcmp(r->path + n - 4, ".hbt") == 0 ? 4 : 0;

        if (part == 0)
                snprintf(out, size, "%s", r->path);
        else
                snprintf(out, size, "%.*s.%u%s", (int)(n - ext), r->path, part, ext ? ".hbt" : "");
}

static int open_part(hb_recorder *r, uint32_t part, struct hb_err *e) {
        struct hb_trace_writer_options o = {0};
        struct hb_trace_header *h = &r->header;
        char path[512];
        int rc;

        part_path(r, part, path, sizeof(path));
        h->part = part;
        if (part && h->begins_unix_ns)
                h->begins_unix_ns += r->last_ns - r->part_ns;
        r->part_ns = r->last_ns;
        r->flushed_ns = hb_now_ns();
        rc = hb_fault("record.open") ? hb_err_set(e, -EIO, path, NULL, "cannot make the trace")
                                     : hb_trace_writer_new(path, h, &o, &r->writer, e);
        if (rc < 0)
                return rc;
        pthread_mutex_lock(&r->queue.lock);
        snprintf(r->status.file, sizeof(r->status.file), "%s", path);
        r->status.parts = part + 1;
        r->status.state = HB_RECORDER_WRITING;
        pthread_mutex_unlock(&r->queue.lock);
        return 0;
}

static int close_part(hb_recorder *r, struct hb_err *e) {
        struct stat st;
        int rc;

        if (hb_fault("record.close")) {
                r->writer = hb_trace_writer_free(r->writer);
                return hb_err_set(e, -EIO, r->status.file, NULL, "cannot close the trace");
        }
        rc = hb_trace_writer_close(r->writer, e);
        r->writer = NULL;
        if (stat(r->status.file, &st) == 0) /* index and end are only written here */
                r->bytes_before += (uint64_t)st.st_size;
        return rc;
}

static int say_all_resident(hb_recorder *r) {
        struct hb_buf b = {0};
        struct hb_trace_event ev = {.stream = HB_TRACE_RESIDENT, .time_ns = 0};
        int rc = 0;

        hb_runs_encode(&r->resident, &b);
        ev.raw.data = b.data;
        ev.raw.size = b.len;
        if (b.failed)
                rc = -ENOMEM;
        else if (b.len)
                rc = hb_trace_writer_event(r->writer, &ev);
        hb_buf_free(&b);
        return rc;
}

static bool rotation_due(const hb_recorder *r) {
        return (r->o.rotate_bytes && hb_trace_writer_bytes(r->writer) >= r->o.rotate_bytes) ||
               (r->o.rotate_ns && r->last_ns - r->part_ns >= r->o.rotate_ns);
}

static int rotate(hb_recorder *r, struct hb_err *e) {
        int rc = close_part(r, e);

        if (rc == 0)
                rc = open_part(r, r->header.part + 1, e);
        if (rc < 0)
                return rc;
        rc = hb_trace_writer_mark(
                r->writer, 0, HB_MARK_NOTE, r->header.part,
                "goes on from the part before; engine inputs are exact only together with it");
        return rc < 0 ? rc : say_all_resident(r);
}

/* ---- records ---- */

static int add_runs(hb_recorder *r, struct hb_rd runs, bool write, size_t *n) {
        uint64_t end = 0;

        while (hb_rd_left(&runs) > 0) {
                uint64_t first = end + hb_rd_varint(&runs), count = hb_rd_varint(&runs);

                end = first + count;
                if (*n + count > r->access_cap) {
                        size_t cap = 2 * (*n + count);
                        struct hb_trace_access *more = realloc(r->access, cap * sizeof(*more));

                        if (!more)
                                return -ENOMEM;
                        r->access = more;
                        r->access_cap = cap;
                }
                for (uint64_t g = first; g < end; g++)
                        r->access[(*n)++] = (struct hb_trace_access){
                                .gfn = (uint32_t)g, .reads = !write, .writes = write};
        }
        return 0;
}

/* Both lists ascend; a page in both is a write. */
static size_t merge(struct hb_trace_access *a, size_t nreads, size_t n, struct hb_trace_access *out) {
        size_t i = 0, j = nreads, k = 0;

        while (i < nreads || j < n) {
                if (j == n || (i < nreads && a[i].gfn < a[j].gfn)) {
                        out[k++] = a[i++];
                } else {
                        i += i < nreads && a[i].gfn == a[j].gfn;
                        out[k++] = a[j++];
                }
        }
        return k;
}

static int write_epoch(hb_recorder *r, const struct hb_queued *q, uint64_t at, const uint8_t *bytes) {
        struct hb_rd all = hb_rd_init(bytes, q->size);
        uint32_t reads_size = hb_rd_u32(&all);
        const void *reads = hb_rd_raw(&all, reads_size);
        size_t n = 0, nreads;
        int rc = add_runs(r, hb_rd_init(reads, reads_size), false, &n);

        nreads = n;
        if (rc == 0)
                rc = add_runs(r, all, true, &n);
        if (rc == 0 && nreads > 0 && nreads < n) {
                struct hb_trace_access *out = malloc(n * sizeof(*out));

                if (!out)
                        return -ENOMEM;
                n = merge(r->access, nreads, n, out);
                free(r->access);
                r->access = out;
                r->access_cap = n;
        }
        if (rc < 0)
                return rc;
        rc = hb_trace_writer_epoch(r->writer, q->epoch, at, r->access, n);
        pthread_mutex_lock(&r->queue.lock);
        r->status.epochs += rc == 0;
        r->status.accesses += rc == 0 ? n : 0;
        pthread_mutex_unlock(&r->queue.lock);
        return rc;
}

static int write_mark(hb_recorder *r, const struct hb_queued *q, uint64_t at, const uint8_t *bytes) {
        struct hb_queued_mark m;
        char text[256] = "";
        size_t n = q->size - sizeof(m);

        memcpy(&m, bytes, sizeof(m));
        memcpy(text, bytes + sizeof(m), n < sizeof(text) ? n : sizeof(text) - 1);
        return hb_trace_writer_mark(r->writer, at, (enum hb_trace_mark)m.kind, m.value, text);
}

static int write_event(hb_recorder *r, const struct hb_queued *q, uint64_t at, const uint8_t *bytes) {
        struct hb_trace_event ev = {.stream = (enum hb_trace_stream)q->stream, .time_ns = at};
        struct hb_rd rd = hb_rd_init(bytes, q->size);

        if (q->kind == HB_QUEUED_EVENT) {
                memcpy(&ev.outcome, bytes, sizeof(ev.outcome));
        } else {
                ev.raw.data = bytes;
                ev.raw.size = q->size;
                if (ev.stream == HB_TRACE_RESIDENT)
                        hb_runs_decode(&rd, &r->resident);
        }
        pthread_mutex_lock(&r->queue.lock);
        r->status.events++;
        r->status.inputs += ev.stream == HB_TRACE_INPUT;
        pthread_mutex_unlock(&r->queue.lock);
        return hb_trace_writer_event(r->writer, &ev);
}

static int write_one(hb_recorder *r, const struct hb_queued *q) {
        const uint8_t *bytes = (const uint8_t *)(q + 1);
        uint64_t now = q->time_ns > r->o.begins_ns ? q->time_ns - r->o.begins_ns : 0;
        uint64_t at;

        if (now > r->last_ns)
                r->last_ns = now;
        if (q->kind == HB_QUEUED_EPOCH) { /* no two at one time */
                if (r->last_ns <= r->epoch_ns)
                        r->last_ns = r->epoch_ns + 1;
                r->epoch_ns = r->last_ns;
        }
        at = r->last_ns - r->part_ns;
        r->unflushed = true;
        if (hb_fault("record.write"))
                return -EIO;
        switch (q->kind) {
        case HB_QUEUED_EPOCH:
                return write_epoch(r, q, at, bytes);
        case HB_QUEUED_MARK:
                return write_mark(r, q, at, bytes);
        default:
                return write_event(r, q, at, bytes);
        }
}

/* ---- the thread ---- */

static void note_bytes(hb_recorder *r) {
        uint64_t bytes = r->bytes_before + (r->writer ? hb_trace_writer_bytes(r->writer) : 0);

        pthread_mutex_lock(&r->queue.lock);
        r->status.bytes = bytes;
        pthread_mutex_unlock(&r->queue.lock);
}

static int flush_when_due(hb_recorder *r) {
        uint64_t now = hb_now_ns();

        if (!r->unflushed || now - r->flushed_ns < r->o.flush_ms * HB_NS_PER_MS)
                return 0;
        r->flushed_ns = now;
        r->unflushed = false;
        return hb_trace_writer_flush(r->writer);
}

static int write_queue(hb_recorder *r, struct hb_err *e) {
        bool ended = false;
        int rc = 0;

        while (!ended && rc == 0) {
                const struct hb_queued *q = hb_record_queue_head(&r->queue, LOOK_MS, &ended);

                if (q) {
                        bool epoch = q->kind == HB_QUEUED_EPOCH;

                        rc = write_one(r, q);
                        hb_record_queue_took(&r->queue);
                        if (rc == 0 && epoch && rotation_due(r)) {
                                rc = rotate(r, e);
                                if (rc < 0)
                                        return rc;
                        }
                }
                if (rc == 0)
                        rc = flush_when_due(r);
                if (!q)
                        note_bytes(r);
        }
        return rc < 0 ? hb_err_set(e, rc, r->status.file, "what is in it up to here can be read",
                                   "the trace cannot be written: %s", hb_errno_name(rc))
                      : 0;
}

static void forget_the_rest(hb_recorder *r) {
        bool ended = false;

        while (!ended)
                if (hb_record_queue_head(&r->queue, LOOK_MS, &ended))
                        hb_record_queue_took(&r->queue);
}

static void set_state(hb_recorder *r, enum hb_recorder_state s, const struct hb_err *e) {
        pthread_mutex_lock(&r->queue.lock);
        r->status.state = s;
        if (e)
                r->status.err = *e;
        pthread_mutex_unlock(&r->queue.lock);
}

void *hb_recorder_thread(void *arg) {
        hb_recorder *r = arg;
        struct hb_err e = {0};
        int rc;

        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE); /* what it records comes first */
        rc = open_part(r, 0, &e);
        if (rc == 0)
                rc = write_queue(r, &e);
        if (rc == 0)
                rc = close_part(r, &e);
        r->writer = hb_trace_writer_free(r->writer);
        note_bytes(r);
        set_state(r, rc < 0 ? HB_RECORDER_FAILED : HB_RECORDER_ENDED, &e);
        if (rc < 0)
                forget_the_rest(r);
        return NULL;
}
