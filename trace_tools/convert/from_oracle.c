/* from_oracle: libCacheSim's oracleGeneral. Little-endian records of 24 bytes without padding:
 *   u32 clock_time (s), u64 obj_id, u32 obj_size, i64 next_access_vtime
 * next_access_vtime is the number, counted from 1, of the next record of the same object, -1 where there is
 * none (readers also take INT64_MAX; -2 is "not known"). It is not needed here but tells a wrong file. There
 * is no kind of access and an object is one page, whatever its size. */
#include "base/bytes.h"
#include "convert/import_priv.h"
#include <errno.h>

#define RECORD 24u

struct record {
        uint32_t clock_s;
        uint64_t object;
        int64_t next;
};

static struct record decode(const uint8_t *p) {
        struct hb_rd rd = hb_rd_init(p, RECORD);
        struct record r;

        r.clock_s = hb_rd_u32(&rd);
        r.object = hb_rd_u64(&rd);
        hb_rd_u32(&rd);
        r.next = (int64_t)hb_rd_u64(&rd);
        return r;
}

bool hb_import_oracle_like(const uint8_t *p, size_t n) {
        uint32_t clock = 0;

        if (n < RECORD)
                return false;
        for (; n >= RECORD; n -= RECORD, p += RECORD) {
                struct record r = decode(p);

                if (r.clock_s < clock || r.next < -2 || r.next == 0 ||
                    (r.next > 1ll << 48 && r.next != INT64_MAX))
                        return false;
                clock = r.clock_s;
        }
        return true;
}

static int too_wide(struct hb_import_job *j, uint64_t object) {
        return hb_import_fail(j, -ERANGE, "--map pages numbers the objects in the order they come",
                              "object id %llu is no page number of 32 bits", (unsigned long long)object);
}

static int take(struct hb_import_job *j, const uint8_t *p) {
        struct record rec = decode(p);
        unsigned what = hb_import_kind_of(j, HB_IMPORT_UNKNOWN);
        int r;

        if (rec.next < -2)
                return hb_import_fail(
                        j, -EBADMSG, "is it oracleGeneral? its records are of 24 bytes",
                        "record %llu: the next access is %lld, expected a record's number or -1",
                        (unsigned long long)j->record, (long long)rec.next);
        r = hb_import_time(j, rec.clock_s * 1000000000ull, HB_IMPORT_FROM_ZERO);
        if (r != 0)
                return r == HB_IMPORT_OUTSIDE ? 0 : r;
        if (rec.object > j->gather.last_page_allowed)
                return too_wide(j, rec.object);
        r = hb_import_page(j, rec.object, what == HB_IMPORT_READ, what == HB_IMPORT_WRITE);
        j->stats.accesses += r == 0;
        j->stats.unknown += r == 0;
        return r;
}

static int take_all(struct hb_import_job *j, const uint8_t *p, size_t n) {
        int r = 0;

        for (; r == 0 && n >= RECORD; n -= RECORD, p += RECORD) {
                j->record++;
                r = take(j, p);
                hb_source_take(j->source, RECORD);
        }
        return r;
}

int hb_import_oracle(struct hb_import_job *j) {
        const uint8_t *p;
        size_t n;
        int r;

        j->stats.timed = true;
        for (;;) {
                r = hb_source_peek(j->source, RECORD, &p, &n, j->e);
                if (r < 0 || n == 0)
                        return r;
                if (n < RECORD)
                        return hb_import_fail(j, -EBADMSG, "is the copy complete?",
                                              "the last record has %zu of 24 bytes", n);
                r = take_all(j, p, n);
                if (r != 0)
                        return r;
        }
}
