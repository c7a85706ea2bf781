/* tags: see the header. Runs and bytes come one after the other in a part, so a decoder walks both at once,
 * after it has walked the runs alone to know that all is as it should be. Pure; nothing is allocated but in
 * the scratch buffer of the encoder. */
#include "map/tags.h"
#include <errno.h>

#define VERSION 1u

enum body { TAGS, ASK, PRINTS };

static const uint32_t bytes_each[] = {[TAGS] = 4, [ASK] = 0, [PRINTS] = HB_PRINT_REST};

/* ---- out ---- */

struct source { /* of the pages of a message */
        const uint32_t *gfn;
        const struct hb_print *prints; /* ASK: NULL */
        uint64_t n;
        uint32_t stamp;
        enum body body;
};

static bool ascending(const struct source *s) {
        for (uint64_t i = 1; i < s->n; i++)
                if (s->gfn[i] <= s->gfn[i - 1])
                        return false;
        return true;
}

static uint64_t run_at(const struct source *s, uint64_t i, uint64_t end) {
        uint64_t k = 1;

        while (i + k < end && s->gfn[i + k] == s->gfn[i] + k)
                k++;
        return k;
}

static void put_runs(const struct source *s, uint64_t from, uint64_t end, struct hb_buf *b) {
        uint64_t runs = 0, after = 0;

        for (uint64_t i = from; i < end; i += run_at(s, i, end))
                runs++;
        hb_buf_varint(b, runs);
        for (uint64_t i = from, k; i < end; i += k) {
                k = run_at(s, i, end);
                hb_buf_varint(b, s->gfn[i] - after);
                hb_buf_varint(b, k);
                after = s->gfn[i] + k;
        }
}

static void put_part(const struct source *s, uint64_t from, uint64_t end, struct hb_buf *b) {
        hb_buf_reset(b);
        hb_buf_u8(b, VERSION);
        if (s->body != ASK)
                hb_buf_u32(b, s->stamp);
        put_runs(s, from, end, b);
        for (uint64_t i = from; i < end && s->body != ASK; i++)
                hb_buf_raw(b, s->prints[i].b + (s->body == PRINTS ? 4 : 0), bytes_each[s->body]);
}

static int64_t encode(const struct source *s, struct hb_buf *b, hb_tags_send *send, void *arg) {
        int64_t sent = 0;
        int rc;

        if ((s->body != ASK && s->stamp == 0) || !ascending(s))
                return -EINVAL;
        for (uint64_t from = 0, end; from < s->n; from = end) {
                end = s->n - from > HB_TAGS_PART ? from + HB_TAGS_PART : s->n;
                put_part(s, from, end, b);
                if (b->failed)
                        return -ENOMEM;
                rc = send(arg, b->data, b->len);
                if (rc < 0)
                        return rc;
                sent += (int64_t)b->len;
        }
        return sent;
}

int64_t hb_tags_encode(uint32_t stamp, const uint32_t *gfn, const struct hb_print *prints, uint64_t n,
                       struct hb_buf *b, hb_tags_send *send, void *arg) {
        struct source s = {gfn, prints, n, stamp, TAGS};

        return encode(&s, b, send, arg);
}

int64_t hb_ask_encode(const uint32_t *gfn, uint64_t n, struct hb_buf *b, hb_tags_send *send, void *arg) {
        struct source s = {gfn, NULL, n, 0, ASK};

        return encode(&s, b, send, arg);
}

int64_t hb_prints_encode(uint32_t stamp, const uint32_t *gfn, const struct hb_print *prints, uint64_t n,
                         struct hb_buf *b, hb_tags_send *send, void *arg) {
        struct source s = {gfn, prints, n, stamp, PRINTS};

        return encode(&s, b, send, arg);
}

/* ---- in ---- */

struct part {
        uint32_t stamp;
        struct hb_rd runs; /* at the first of them */
        uint64_t nruns;
        const uint8_t *data; /* bytes_each for each page */
};

/* The next run; the first may begin at page 0, between others lies at least one page. */
static uint64_t next_run(struct hb_rd *r, uint64_t total, bool first, uint64_t *end, uint64_t *ret_pages) {
        uint64_t gap = hb_rd_upto(r, total - *end), pages = hb_rd_upto(r, HB_TAGS_PART), gfn = *end + gap;

        if (pages == 0 || pages > total - gfn || (gap == 0 && !first))
                hb_rd_fail(r);
        if (hb_rd_ok(r))
                *end = gfn + pages;
        *ret_pages = pages;
        return gfn;
}

static int check(const void *data, size_t size, uint64_t total, enum body body, struct part *ret) {
        struct hb_rd r = hb_rd_init(data, size);
        uint8_t version = hb_rd_u8(&r);
        uint64_t end = 0, sum = 0, pages;

        ret->stamp = body == ASK ? 0 : hb_rd_u32(&r);
        ret->nruns = hb_rd_upto(&r, HB_TAGS_PART);
        ret->runs = r;
        for (uint64_t i = 0; i < ret->nruns && hb_rd_ok(&r); i++) {
                next_run(&r, total, i == 0, &end, &pages);
                sum += pages;
        }
        if (!hb_rd_ok(&r) || version != VERSION || (body != ASK && ret->stamp == 0) || sum == 0 ||
            sum > HB_TAGS_PART || hb_rd_left(&r) != sum * bytes_each[body])
                return -EBADMSG;
        ret->data = r.p;
        return 0;
}

/* Calls `each` with every page of a part that was found right. */
static void walk(struct part p, uint64_t total, enum body body,
                 void (*each)(void *arg, uint64_t gfn, const uint8_t *data), void *arg) {
        uint64_t end = 0, pages;

        for (uint64_t i = 0; i < p.nruns; i++) {
                uint64_t gfn = next_run(&p.runs, total, i == 0, &end, &pages);

                for (uint64_t k = 0; k < pages; k++, p.data += bytes_each[body])
                        each(arg, gfn + k, p.data);
        }
}

struct tag_call {
        void (*page)(void *arg, uint64_t gfn, uint32_t tag);
        void *arg;
};

static void each_tag(void *arg, uint64_t gfn, const uint8_t *data) {
        const struct tag_call *c = arg;
        struct hb_print p = {0};

        memcpy(p.b, data, 4);
        c->page(c->arg, gfn, hb_print_tag(&p));
}

int hb_tags_decode(const void *part, size_t size, uint64_t pages_total, uint32_t *ret_stamp,
                   void (*page)(void *arg, uint64_t gfn, uint32_t tag), void *arg) {
        struct tag_call c = {page, arg};
        struct part p;

        if (check(part, size, pages_total, TAGS, &p) < 0)
                return -EBADMSG;
        walk(p, pages_total, TAGS, each_tag, &c);
        *ret_stamp = p.stamp;
        return 0;
}

struct ask_call {
        void (*page)(void *arg, uint64_t gfn);
        void *arg;
};

static void each_asked(void *arg, uint64_t gfn, const uint8_t *data) {
        const struct ask_call *c = arg;

        c->page(c->arg, gfn);
}

int hb_ask_decode(const void *part, size_t size, uint64_t pages_total, void (*page)(void *arg, uint64_t gfn),
                  void *arg) {
        struct ask_call c = {page, arg};
        struct part p;

        if (check(part, size, pages_total, ASK, &p) < 0)
                return -EBADMSG;
        walk(p, pages_total, ASK, each_asked, &c);
        return 0;
}

int hb_prints_decode(const void *part, size_t size, uint64_t pages_total, uint32_t *ret_stamp,
                     void (*page)(void *arg, uint64_t gfn, const uint8_t rest[HB_PRINT_REST]), void *arg) {
        struct part p;

        if (check(part, size, pages_total, PRINTS, &p) < 0)
                return -EBADMSG;
        walk(p, pages_total, PRINTS, page, arg);
        *ret_stamp = p.stamp;
        return 0;
}

struct hb_print hb_print_join(uint32_t tag, const uint8_t rest[HB_PRINT_REST]) {
        struct hb_print p = {{(uint8_t)tag, (uint8_t)(tag >> 8), (uint8_t)(tag >> 16), (uint8_t)(tag >> 24)}};

        memcpy(p.b + 4, rest, HB_PRINT_REST);
        return p;
}
