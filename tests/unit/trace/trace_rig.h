/* trace_rig: a folder of one's own for each test, headers with every field set, and traces compared item by
 * item. */
#pragma once
#include "check.h"
#include "trace/trace.h"
#include "trace_synth.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rig_dir[64], rig_path[128];

static inline int rig_remove(const char *name, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(name);
}

static inline int rig_begin(void **state) {
        strcpy(rig_dir, "/tmp/hb-trace-XXXXXX");
        if (!mkdtemp(rig_dir))
                return -1;
        snprintf(rig_path, sizeof(rig_path), "%s/t.hbt", rig_dir);
        return 0;
}

static inline int rig_end(void **state) {
        return nftw(rig_dir, rig_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, rig_begin, rig_end)

static inline const char *path(void) {
        return rig_path;
}

static inline void full_header(struct hb_trace_header *h) {
        *h = (struct hb_trace_header){.guest = "guest-1",
                                      .host = "host.example",
                                      .note = "sort <big> & \"quoted\" \x1b[31m \xc3\xa9",
                                      .page_size = 4096,
                                      .epoch_ns = 250000000,
                                      .begins_unix_ns = 1800000000123456789ull,
                                      .origin = HB_TRACE_TARGET,
                                      .flags = HB_TRACE_COUNTS | HB_TRACE_EXACT_WRITES | HB_TRACE_ANONYMIZED,
                                      .part = 7,
                                      .seed = UINT64_MAX,
                                      .salt = "0123456789abcdef0123456789abcdef",
                                      .engine_size = 256};
        assert_int_equal(hb_shape_add(&h->shape, "low", 1 << 20, 4096, NULL), 0);
        assert_int_equal(hb_shape_add(&h->shape, "high", 4ull << 20, 2 << 20, NULL), 0);
        for (unsigned i = 0; i < 3; i++) {
                snprintf(h->policies[i].name, sizeof(h->policies[i].name), "policy%u", i);
                memset(h->policies[i].version, '1' + (int)i, sizeof(h->policies[i].version) - 1);
                memset(h->policies[i].hash, 'a' + (int)i, sizeof(h->policies[i].hash) - 1);
        }
        for (unsigned i = 0; i < sizeof(h->engine); i++)
                h->engine[i] = (uint8_t)i;
}

static inline void simple_header(struct hb_trace_header *h, uint64_t pages) {
        *h = (struct hb_trace_header){.guest = "g",
                                      .host = "h",
                                      .page_size = 4096,
                                      .epoch_ns = 1000000000,
                                      .origin = HB_TRACE_SYNTHETIC,
                                      .flags = HB_TRACE_COUNTS};
        assert_int_equal(hb_shape_add(&h->shape, "ram", pages * 4096, 4096, NULL), 0);
}

static inline void assert_header_equal(const struct hb_trace_header *a, const struct hb_trace_header *b) {
        assert_string_equal(a->guest, b->guest);
        assert_string_equal(a->host, b->host);
        assert_string_equal(a->note, b->note);
        assert_true(hb_shape_equal(&a->shape, &b->shape));
        assert_int_equal(a->page_size, b->page_size);
        assert_int_equal(a->epoch_ns, b->epoch_ns);
        assert_int_equal(a->begins_unix_ns, b->begins_unix_ns);
        assert_int_equal(a->origin, b->origin);
        assert_int_equal(a->flags, b->flags);
        assert_int_equal(a->part, b->part);
        assert_true(a->seed == b->seed);
        assert_string_equal(a->salt, b->salt);
        assert_int_equal(a->engine_size, b->engine_size);
        assert_memory_equal(a->engine, b->engine, a->engine_size);
        assert_memory_equal(a->policies, b->policies, sizeof(a->policies));
}

static inline hb_trace_reader *open_trace(const char *name) {
        hb_trace_reader *r = NULL;
        struct hb_err e = {0};

        if (hb_trace_reader_open(name, &r, &e) < 0)
                fail_msg("%s: %s", name, e.what);
        return r;
}

static inline struct hb_trace_info info_of(const hb_trace_reader *r) {
        struct hb_trace_info info;

        hb_trace_reader_info(r, &info);
        return info;
}

static inline void next_item(hb_trace_reader *r, struct hb_trace_item *ret) {
        struct hb_err e = {0};

        if (hb_trace_reader_next(r, ret, &e) != 1)
                fail_msg("no further item: %s", e.what);
}

static inline void expect_end(hb_trace_reader *r) {
        struct hb_trace_item item = {.kind = HB_TRACE_EVENT};
        struct hb_err e = {0};

        if (hb_trace_reader_next(r, &item, &e) != 0)
                fail_msg("not at the end: %s", e.what);
        assert_int_equal(item.kind, HB_TRACE_END);
}

static inline void expect_epoch(hb_trace_reader *r, uint32_t epoch, uint64_t time_ns,
                                const struct hb_trace_access *a, size_t n) {
        struct hb_trace_item item;

        next_item(r, &item);
        assert_int_equal(item.kind, HB_TRACE_EPOCH);
        assert_int_equal(item.epoch, epoch);
        assert_int_equal(item.time_ns, time_ns);
        assert_int_equal(item.naccess, n);
        if (n > 0)
                assert_memory_equal(item.access, a, n * sizeof(*a));
}

/* The epochs first..last of a made-up trace, its events passed over. */
static inline void expect_synth(hb_trace_reader *r, const struct hb_synth *s, uint32_t first, uint32_t last) {
        struct hb_trace_access *a = malloc((s->pages + 1) * sizeof(*a));
        struct hb_trace_item item;

        for (uint32_t e = first; e <= last; e++) {
                size_t n = hb_synth_epoch(s, e, a);

                do
                        next_item(r, &item);
                while (item.kind == HB_TRACE_EVENT);
                assert_int_equal(item.epoch, e);
                assert_int_equal(item.naccess, n);
                if (n > 0)
                        assert_memory_equal(item.access, a, n * sizeof(*a));
        }
        free(a);
}

/* One of each stream and each kind of mark, from time_ns on, an ns apart. */
#define RIG_EVENTS (HB_TRACE_STREAMS - 2 + HB_MARKS - 1)

static inline void fill_event(unsigned n, struct hb_trace_event *ev) {
        static const uint8_t bytes[] = {0, 1, 2, 0xFF, 0x80, 7};

        memset(ev, 0, sizeof(*ev));
        ev->stream = n < 5   ? (enum hb_trace_stream)(n + 1)
                     : n < 8 ? (enum hb_trace_stream)(n + 2)
                             : HB_TRACE_MARK;
        switch (ev->stream) {
        case HB_TRACE_NETWORK:
                ev->network.latency_s = 1e-4;
                ev->network.bytes_per_s = 1.25e8;
                ev->network.free_bytes_per_s = -0.0;
                ev->network.used_share = 0.125;
                ev->network.cap_bytes_per_s = 1e300;
                break;
        case HB_TRACE_SUMMARY:
                ev->summary.epoch = UINT32_MAX;
                ev->summary.bytes = UINT64_MAX;
                ev->summary.pages = 1;
                break;
        case HB_TRACE_DECISION:
                ev->decision.gfn = 1ull << 40;
                ev->decision.pages = UINT32_MAX;
                ev->decision.epoch = 3;
                ev->decision.fetch_class = 2;
                ev->decision.bucket = 255;
                break;
        case HB_TRACE_TRANSFER:
                ev->transfer.gfn = 127;
                ev->transfer.pages = 128;
                ev->transfer.stamp = 16384;
                ev->transfer.wire_bytes = UINT64_MAX;
                ev->transfer.failed = true;
                break;
        case HB_TRACE_OUTCOME:
                ev->outcome.hit = 1;
                ev->outcome.late = 2;
                ev->outcome.stale = 3;
                ev->outcome.wasted = 4;
                ev->outcome.fresh = 5;
                ev->outcome.resident = 6;
                ev->outcome.bytes = 7;
                ev->outcome.wire_bytes = 8;
                ev->outcome.threshold = -0.5;
                ev->outcome.precision = 0.25;
                ev->outcome.recall = 1;
                break;
        case HB_TRACE_MARK:
                ev->mark.kind = (enum hb_trace_mark)(n - 7);
                ev->mark.value = 1ull << (n * 7 % 64);
                memset(ev->mark.text, 'x', n == 8 ? 255 : n);
                break;
        default:
                ev->raw.data = bytes;
                ev->raw.size = n == 7 ? 0 : sizeof(bytes);
        }
}

static inline void every_event(hb_trace_writer *w, uint64_t time_ns) {
        struct hb_trace_event ev;

        for (unsigned n = 0; n < RIG_EVENTS; n++) {
                fill_event(n, &ev);
                ev.time_ns = time_ns + n;
                assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        }
}

static inline void assert_event_equal(const struct hb_trace_event *a, const struct hb_trace_event *b) {
        assert_int_equal(a->stream, b->stream);
        assert_int_equal(a->time_ns, b->time_ns);
        switch (a->stream) {
        case HB_TRACE_NETWORK:
                assert_memory_equal(&a->network, &b->network, sizeof(a->network));
                break;
        case HB_TRACE_SUMMARY:
                assert_true(a->summary.epoch == b->summary.epoch && a->summary.bytes == b->summary.bytes &&
                            a->summary.pages == b->summary.pages);
                break;
        case HB_TRACE_DECISION:
                assert_true(a->decision.gfn == b->decision.gfn && a->decision.pages == b->decision.pages &&
                            a->decision.epoch == b->decision.epoch &&
                            a->decision.bucket == b->decision.bucket &&
                            a->decision.fetch_class == b->decision.fetch_class);
                break;
        case HB_TRACE_TRANSFER:
                assert_true(a->transfer.gfn == b->transfer.gfn && a->transfer.pages == b->transfer.pages &&
                            a->transfer.stamp == b->transfer.stamp &&
                            a->transfer.failed == b->transfer.failed &&
                            a->transfer.wire_bytes == b->transfer.wire_bytes);
                break;
        case HB_TRACE_OUTCOME:
                assert_memory_equal(&a->outcome, &b->outcome, sizeof(a->outcome));
                break;
        case HB_TRACE_MARK:
                assert_int_equal(a->mark.kind, b->mark.kind);
                assert_true(a->mark.value == b->mark.value);
                assert_string_equal(a->mark.text, b->mark.text);
                break;
        default:
                assert_int_equal(a->raw.size, b->raw.size);
                if (a->raw.size)
                        assert_memory_equal(a->raw.data, b->raw.data, a->raw.size);
        }
}

static inline void expect_every_event(hb_trace_reader *r, uint32_t epoch, uint64_t time_ns) {
        struct hb_trace_event ev;
        struct hb_trace_item item;

        for (unsigned n = 0; n < RIG_EVENTS; n++) {
                fill_event(n, &ev);
                ev.time_ns = time_ns + n;
                next_item(r, &item);
                assert_int_equal(item.kind, HB_TRACE_EVENT);
                assert_int_equal(item.epoch, epoch);
                assert_event_equal(&item.event, &ev);
        }
}

static inline void write_file(const char *name, const void *data, size_t n) {
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, n), (ssize_t)n);
        close(fd);
}

static inline uint8_t *read_file(const char *name, size_t *ret) {
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        struct stat st;
        uint8_t *data;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        data = malloc((size_t)st.st_size + 1);
        assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
        close(fd);
        *ret = (size_t)st.st_size;
        return data;
}

static inline unsigned files_in(const char *dir) {
        char command[128];
        FILE *f;
        unsigned n = 0;

        snprintf(command, sizeof(command), "ls -A %s | wc -l", dir);
        f = popen(command, "r");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%u", &n), 1);
        pclose(f);
        return n;
}
