/* cursor: columns back to items.
 *
 * The block's checksum fitted, so what is wrong here was written wrong, on purpose or not: every count is
 * held against what is really there before anything of its size is made, and a block must be used up exactly.
 * Cost: by column, the loops of column.c; nothing is done record by record here but the laying of runs. One
 * thread. */
#include "trace/cursor.h"
#include "base/fault.h"
#include "trace/trace_event.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE (sizeof(struct hb_trace_access) / 4)

static int bad(struct hb_block_cursor *c, const char *what) {
        c->wrong = what;
        return -EBADMSG;
}

void hb_block_cursor_free(struct hb_block_cursor *c) {
        free(c->raw);
        free(c->access);
        free(c->scratch);
        *c = (struct hb_block_cursor){0};
}

static int room(void **p, size_t *cap, size_t n, size_t size) {
        void *more;

        if (n <= *cap)
                return 0;
        more = hb_fault("trace.alloc") ? NULL : realloc(*p, n * size);
        if (!more)
                return -ENOMEM;
        *p = more;
        *cap = n;
        return 0;
}

int hb_block_cursor_room(struct hb_block_cursor *c, const struct hb_block_head *h) {
        int rc = room((void **)&c->raw, &c->raw_cap, (size_t)h->raw + HB_BLOCK_SLACK, 1);

        if (rc < 0)
                return rc;
        memset(c->raw + h->raw, 0, HB_BLOCK_SLACK);
        c->head = *h;
        return 0;
}

static int split(struct hb_block_cursor *c, struct hb_block_part part[HB_SECTIONS]) {
        struct hb_rd r = hb_rd_init(c->raw, c->head.raw);
        uint8_t last = 0;

        while (hb_rd_left(&r) > 0) {
                uint8_t kind = hb_rd_u8(&r);
                uint32_t size = hb_rd_u32(&r);
                const uint8_t *data = hb_rd_raw(&r, size);

                if (!data)
                        return bad(c, "a section passes its end");
                if (kind <= last)
                        return bad(c, "its sections are out of order");
                last = kind;
                if (kind < HB_SECTIONS)
                        part[kind] = (struct hb_block_part){data, size};
                else if (!c->newer)
                        return bad(c, "it has an unknown section");
        }
        return 0;
}

/* A column that is not there is empty, and lies somewhere none the less. */
static void open_column(const struct hb_block_cursor *c, struct hb_column_in *in,
                        const struct hb_block_part *part) {
        const uint8_t *tokens = part[0].data ? part[0].data : c->raw;
        const uint8_t *bits = part[1].data ? part[1].data : c->raw;

        hb_column_open(in, tokens, part[0].size, bits, part[1].size);
}

static struct hb_rd open_part(const struct hb_block_part *part) {
        return hb_rd_init(part->data, part->size);
}

/* How many epochs come before the next event; without one, all. */
static int find_event(struct hb_block_cursor *c) {
        uint64_t n = c->epochs_left;

        if (c->events_left > 0) {
                n = hb_rd_varint(&c->after);
                if (!hb_rd_ok(&c->after) || n > c->epochs_left)
                        return bad(c, "an event stands after its last epoch");
        }
        c->until_event = (uint32_t)n;
        return 0;
}

int hb_block_cursor_open(struct hb_block_cursor *c, bool newer) {
        struct hb_block_part part[HB_SECTIONS] = {0};
        const struct hb_block_head *h = &c->head;
        uint64_t events = 0;
        int rc;

        c->newer = newer;
        rc = split(c, part);
        if (rc < 0)
                return rc;
        for (unsigned i = 0; i < HB_BLOCK_STREAMS; i++)
                events += h->events[i];
        if (events != part[HB_SECTION_EVENT_STREAMS].size)
                return bad(c, "its head counts other events");
        c->epochs = open_part(&part[HB_SECTION_EPOCHS]);
        c->streams = part[HB_SECTION_EVENT_STREAMS].data;
        c->after = open_part(&part[HB_SECTION_EVENT_AFTER]);
        c->times = open_part(&part[HB_SECTION_EVENT_TIMES]);
        c->sizes = open_part(&part[HB_SECTION_EVENT_SIZES]);
        c->bodies = open_part(&part[HB_SECTION_EVENT_BODIES]);
        open_column(c, &c->pages, &part[HB_SECTION_PAGES]);
        open_column(c, &c->runs, &part[HB_SECTION_RUNS]);
        open_column(c, &c->reads, &part[HB_SECTION_READS]);
        open_column(c, &c->writes, &part[HB_SECTION_WRITES]);
        c->epochs_left = h->epochs;
        c->events_left = (uint32_t)events;
        c->epoch = h->epoch_before;
        c->epoch_ns = c->event_ns = h->first_ns;
        c->records = 0;
        return find_event(c);
}

/* ---- epochs ---- */

static int get_runs(struct hb_block_cursor *c, size_t n, uint64_t nruns) {
        uint64_t last = UINT64_MAX, sum = 0;
        uint32_t *gaps, *lengths;
        struct hb_trace_access *a;
        int rc;

        if (nruns == 0 || nruns > n || nruns > (size_t)(c->runs.tokens_end - c->runs.tokens))
                return bad(c, "an epoch has more runs than it can");
        rc = room((void **)&c->scratch, &c->scratch_cap, 2 * nruns, sizeof(*c->scratch));
        if (rc < 0)
                return rc;
        gaps = c->scratch;
        lengths = gaps + nruns;
        if (!hb_column_get(&c->pages, gaps, 1, nruns) || !hb_column_get(&c->runs, lengths, 1, nruns))
                return bad(c, "its columns end early");
        for (uint64_t i = 0; i < nruns; i++) {
                sum += lengths[i] + 1ull;
                last += gaps[i] + lengths[i] + 1ull;
        }
        if (sum != n || last >= c->head.pages)
                return bad(c, "an epoch's runs do not fit");
        rc = room((void **)&c->access, &c->access_cap, n, sizeof(*c->access));
        if (rc < 0)
                return rc;
        last = UINT64_MAX;
        a = c->access;
        for (uint64_t i = 0; i < nruns; i++) {
                last += gaps[i] + 1ull;
                for (struct hb_trace_access *end = a + lengths[i] + 1; a < end; a++)
                        a->gfn = (uint32_t)last++;
                last--;
        }
        return 0;
}

static int get_gaps(struct hb_block_cursor *c, size_t n) {
        uint64_t last = UINT64_MAX;
        int rc;

        if (n > (size_t)(c->pages.tokens_end - c->pages.tokens))
                return bad(c, "its columns end early");
        rc = room((void **)&c->access, &c->access_cap, n, sizeof(*c->access));
        if (rc < 0)
                return rc;
        if (!hb_column_get_rising(&c->pages, &c->access[0].gfn, STRIDE, n, &last, c->head.pages))
                return bad(c, "a page number is none of the guest's");
        return 0;
}

static bool get_counts(struct hb_column_in *in, uint32_t *out, size_t n, bool same, uint64_t value) {
        if (!same)
                return hb_column_get(in, out, STRIDE, n);
        for (size_t i = 0; i < n; i++)
                out[i * STRIDE] = (uint32_t)value;
        return true;
}

static bool touched(const struct hb_trace_access *a, size_t n) {
        bool none = false;

        for (size_t i = 0; i < n; i++)
                none |= (a[i].reads | a[i].writes) == 0;
        return !none;
}

static int get_records(struct hb_block_cursor *c, size_t n, uint8_t how) {
        uint64_t nruns = how & HB_EPOCH_RUNS ? hb_rd_varint(&c->epochs) : 0;
        uint64_t reads = how & HB_EPOCH_SAME_READS ? hb_rd_varint(&c->epochs) : 0;
        uint64_t writes = how & HB_EPOCH_SAME_WRITES ? hb_rd_varint(&c->epochs) : 0;
        int rc;

        if (!hb_rd_ok(&c->epochs) || reads > UINT32_MAX || writes > UINT32_MAX)
                return bad(c, "an epoch's head is not valid");
        rc = how & HB_EPOCH_RUNS ? get_runs(c, n, nruns) : get_gaps(c, n);
        if (rc < 0)
                return rc;
        if (!get_counts(&c->reads, &c->access[0].reads, n, how & HB_EPOCH_SAME_READS, reads) ||
            !get_counts(&c->writes, &c->access[0].writes, n, how & HB_EPOCH_SAME_WRITES, writes))
                return bad(c, "its columns end early");
        return touched(c->access, n) ? 0 : bad(c, "a page was neither read nor written");
}

/* Adds what a column says to *v; false: it has nothing left, or the sum would pass `limit`. */
static bool add(struct hb_rd *from, uint64_t *v, uint64_t limit) {
        uint64_t d = hb_rd_varint(from);

        if (!hb_rd_ok(from) || d > limit - *v)
                return false;
        *v += d;
        return true;
}

static int next_epoch(struct hb_block_cursor *c, struct hb_trace_item *ret) {
        uint64_t epoch = c->epoch, n, left = c->head.records - c->records;
        uint64_t before = c->epoch_ns;
        uint8_t how;
        int rc = 0;

        if (c->event_ns > before)
                before = c->event_ns;
        if (!add(&c->epochs, &epoch, c->head.last_epoch) || epoch == c->epoch)
                return bad(c, "its epochs do not ascend");
        if (c->epochs_left == c->head.epochs && epoch != c->head.first_epoch)
                return bad(c, "its head names another first epoch");
        if (!add(&c->epochs, &c->epoch_ns, c->head.last_ns) || c->epoch_ns < before)
                return bad(c, "its times do not ascend");
        n = hb_rd_varint(&c->epochs);
        how = hb_rd_u8(&c->epochs);
        if (!hb_rd_ok(&c->epochs) || n > left || n > HB_BLOCK_EPOCH_MAX || n > c->head.pages ||
            (how & ~HB_EPOCH_KNOWN) || (n == 0 && how))
                return bad(c, "an epoch's head is not valid");
        if (n > 0)
                rc = get_records(c, n, how);
        if (rc < 0)
                return rc;
        c->epoch = (uint32_t)epoch;
        c->records += n;
        c->epochs_left--;
        c->until_event--;
        *ret = (struct hb_trace_item){.kind = HB_TRACE_EPOCH,
                                      .epoch = c->epoch,
                                      .time_ns = c->epoch_ns,
                                      .access = c->access,
                                      .naccess = n};
        return 1;
}

/* ---- events ---- */

/* 1: known, 0: passed over. */
static int next_event(struct hb_block_cursor *c, struct hb_trace_item *ret) {
        uint8_t stream = *c->streams++;
        uint64_t size = hb_rd_varint(&c->sizes);
        const uint8_t *body = hb_rd_raw(&c->bodies, size);
        struct hb_rd in;
        int rc;

        if (c->epoch_ns > c->event_ns)
                c->event_ns = c->epoch_ns;
        if (!hb_rd_ok(&c->sizes) || !body)
                return bad(c, "an event passes its end");
        if (!add(&c->times, &c->event_ns, c->head.last_ns))
                return bad(c, "its times do not ascend");
        ret->kind = HB_TRACE_EVENT;
        ret->epoch = c->epoch;
        ret->time_ns = ret->event.time_ns = c->event_ns;
        ret->access = NULL;
        ret->naccess = 0;
        in = hb_rd_init(body, size);
        rc = hb_trace_event_decode(&in, stream, c->newer, &ret->event);
        if (rc < 0 && !(rc == -EOPNOTSUPP && c->newer))
                return bad(c, "an event is not valid");
        c->events_left--;
        if (find_event(c) < 0)
                return -EBADMSG;
        return rc == 0;
}

static int at_end(struct hb_block_cursor *c) {
        if (c->records != c->head.records || c->epoch != c->head.last_epoch)
                return bad(c, "its head counts other records");
        if (!hb_rd_done(&c->epochs) || !hb_rd_done(&c->after) || !hb_rd_done(&c->times) ||
            !hb_rd_done(&c->sizes) || !hb_rd_done(&c->bodies) || !hb_column_done(&c->pages) ||
            !hb_column_done(&c->runs) || !hb_column_done(&c->reads) || !hb_column_done(&c->writes))
                return bad(c, "something is left over in it");
        return 0;
}

int hb_block_cursor_next(struct hb_block_cursor *c, struct hb_trace_item *ret) {
        for (;;) {
                int rc;

                if (c->epochs_left == 0 && c->events_left == 0)
                        return at_end(c);
                if (c->until_event > 0)
                        return next_epoch(c, ret);
                rc = next_event(c, ret);
                if (rc != 0)
                        return rc;
        }
}
