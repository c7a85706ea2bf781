/* engine_input: the engine's inputs as bytes, and back. docs/TRACE_FORMAT.md, stream "input", says them.
 *
 * Invariant: what is decoded is an input that an engine of that many pages could have been given; everything
 * else is -EBADMSG. Pages come as gaps and lengths, numbers that are mostly small as varints, floating point
 * as its bits: an input that comes back is the same to the last bit. Pure. */
#include "place/engine_input.h"
#include "base/fault.h"
#include "map/heat.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_ALL    (HB_IP_FETCHING | HB_IP_RESIDENT | HB_IP_ZERO | HB_IP_PREFETCHED | HB_IP_USED | HB_IP_KNOWN)
#define FLAGS_DURING (HB_IP_FETCHING | HB_IP_KNOWN) /* never at the true beginning */

#define SUMMARY_BLOCK 2u /* in place of resident: the entry is a word */

/* ---- small ones ---- */

static uint32_t get_u32(struct hb_rd *r) {
        return (uint32_t)hb_rd_upto(r, UINT32_MAX);
}

/* A run of pages inside the guest; `most` pages. */
static void get_run(struct hb_rd *r, uint64_t total, uint64_t most, uint64_t *ret_gfn, uint64_t *ret_pages) {
        uint64_t gfn = hb_rd_upto(r, total ? total - 1 : 0), pages = hb_rd_upto(r, most);

        if (total == 0 || pages == 0 || pages > total - gfn)
                hb_rd_fail(r);
        *ret_gfn = gfn;
        *ret_pages = pages;
}

static void put_answers(const struct hb_engine_input *in, struct hb_buf *b) {
        hb_buf_varint(b, (uint64_t)in->nanswers << 1 | in->answers_cut);
        for (uint32_t i = 0; i < in->nanswers; i++)
                hb_buf_varint(b, in->answers[i]);
}

static void get_answers(struct hb_rd *r, struct hb_engine_input *in, struct hb_engine_input_room *room) {
        uint64_t v = hb_rd_upto(r, HB_ENGINE_ANSWERS << 1 | 1);

        in->answers_cut = v & 1;
        in->nanswers = (uint32_t)(v >> 1);
        if (in->nanswers % 2)
                hb_rd_fail(r);
        for (uint32_t i = 0; i < in->nanswers && hb_rd_ok(r); i++) {
                room->answers[i] = get_u32(r);
                if (room->answers[i] == 0 && i > 0)
                        hb_rd_fail(r);
        }
        in->answers = room->answers;
        in->taken = in->nanswers ? room->answers[0] : UINT32_MAX;
}

static void get_set(struct hb_rd *r, struct hb_engine_input *in, struct hb_engine_input_room *room) {
        hb_bitmap_clear_all(&room->scratch);
        if (!hb_rd_ok(r) || hb_runs_decode(r, &room->scratch) < 0) {
                hb_rd_fail(r);
                return;
        }
        *r = hb_rd_init(r->end, 0);
        in->set = &room->scratch;
}

/* ---- BEGIN ---- */

static void put_begin(const struct hb_engine_input *in, struct hb_buf *b) {
        uint64_t end = 0;

        hb_buf_u8(b, in->on);
        hb_buf_varint(b, in->to);
        for (uint64_t i = 0; i < in->nbegin; i++) {
                const struct hb_engine_input_page *p = &in->begin[i];

                hb_buf_varint(b, p->gfn - end);
                hb_buf_varint(b, p->pages);
                hb_buf_varint(b, p->stamp);
                hb_buf_varint(b, p->invalid);
                hb_buf_varint(b, p->last_access);
                hb_buf_u8(b, p->flags);
                hb_buf_u8(b, p->fetches);
                hb_buf_u8(b, p->write_q);
                hb_buf_u8(b, p->read_q);
                end = p->gfn + p->pages;
        }
}

static struct hb_engine_input_page *grow(struct hb_engine_input_room *room, uint64_t n) {
        uint64_t cap = room->cap ? room->cap * 2 : 256;
        struct hb_engine_input_page *more;

        if (n < room->cap)
                return &room->runs[n];
        more = hb_fault("engine_input.room") ? NULL : realloc(room->runs, cap * sizeof(*more));
        if (!more)
                return NULL;
        room->runs = more;
        room->cap = cap;
        return &room->runs[n];
}

/* In the midst of a placement pages are on their way or known; at its true beginning none is. */
static void get_page_run(struct hb_rd *r, uint64_t total, bool whole, uint64_t *end,
                         struct hb_engine_input_page *p) {
        uint64_t gap = hb_rd_upto(r, total - *end), pages = hb_rd_upto(r, total - *end);

        if (pages == 0 || pages > total - *end - gap)
                hb_rd_fail(r);
        *p = (struct hb_engine_input_page){.gfn = *end + gap, .pages = pages};
        p->stamp = get_u32(r);
        p->invalid = get_u32(r);
        p->last_access = get_u32(r);
        p->flags = hb_rd_u8(r);
        p->fetches = hb_rd_u8(r);
        p->write_q = hb_rd_u8(r);
        p->read_q = hb_rd_u8(r);
        if (p->flags & ~FLAGS_ALL || (whole && p->flags & FLAGS_DURING) || p->write_q == 255 ||
            p->read_q == 255)
                hb_rd_fail(r);
        *end = hb_rd_ok(r) ? p->gfn + p->pages : *end;
}

static int get_begin(struct hb_rd *r, uint64_t total, struct hb_engine_input *in,
                     struct hb_engine_input_room *room) {
        uint64_t end = 0, n = 0;

        in->on = hb_rd_bool(r);
        in->to = get_u32(r);
        for (; hb_rd_ok(r) && hb_rd_left(r) > 0; n++) {
                struct hb_engine_input_page *p = grow(room, n);

                if (!p)
                        return -ENOMEM;
                get_page_run(r, total, in->on, &end, p);
        }
        in->begin = room->runs;
        in->nbegin = n;
        return 0;
}

/* ---- the rest ---- */

static void put_summary(const struct hb_engine_input *in, struct hb_buf *b) {
        const struct hb_summary_entry *s = &in->entry;

        hb_buf_varint(b, in->to);
        hb_buf_varint(b, s->gfn);
        hb_buf_varint(b, s->pages);
        hb_buf_u8(b, hb_heat_q(s->write_heat));
        hb_buf_u8(b, hb_heat_q(s->read_heat));
        hb_buf_varint(b, s->last_access);
        hb_buf_varint(b, s->version);
        hb_buf_u8(b, s->block ? SUMMARY_BLOCK : s->resident);
        if (!s->block)
                return;
        hb_buf_varint(b, s->unlike);
        hb_buf_u8(b, hb_heat_q(s->any_write_heat));
        hb_buf_u8(b, hb_heat_q(s->any_read_heat));
        hb_buf_varint(b, s->any_access);
}

/* Words are of whole blocks; the guest's last may be short. */
static void get_summary_block(struct hb_rd *r, uint64_t total, struct hb_summary_entry *s) {
        uint8_t w, q;

        s->unlike = (uint16_t)hb_rd_upto(r, HB_BLOCK_PAGES);
        w = hb_rd_u8(r);
        q = hb_rd_u8(r);
        s->any_write_heat = hb_heat_of(w);
        s->any_read_heat = hb_heat_of(q);
        s->any_access = get_u32(r);
        if (w == 255 || q == 255 || s->gfn % HB_BLOCK_PAGES ||
            (s->pages % HB_BLOCK_PAGES && s->gfn + s->pages != total))
                hb_rd_fail(r);
}

static void get_summary(struct hb_rd *r, uint64_t total, struct hb_engine_input *in) {
        struct hb_summary_entry *s = &in->entry;
        uint8_t w, q, resident;

        in->to = get_u32(r);
        get_run(r, total, total, &s->gfn, &s->pages);
        w = hb_rd_u8(r);
        q = hb_rd_u8(r);
        s->write_heat = hb_heat_of(w);
        s->read_heat = hb_heat_of(q);
        s->last_access = get_u32(r);
        s->version = get_u32(r);
        resident = hb_rd_u8(r);
        s->block = resident == SUMMARY_BLOCK;
        s->resident = resident == 1;
        if (w == 255 || q == 255 || resident > SUMMARY_BLOCK)
                hb_rd_fail(r);
        if (s->block)
                get_summary_block(r, total, s);
}

static void put_link(const struct hb_policy_link *l, struct hb_buf *b) {
        hb_buf_f64(b, l->latency_s);
        hb_buf_f64(b, l->bytes_per_s);
        hb_buf_f64(b, l->free_bytes_per_s);
        hb_buf_f64(b, l->used_share);
        hb_buf_f64(b, l->cap_bytes_per_s);
        hb_buf_f64(b, l->confidence);
        hb_buf_f64(b, l->pace_loss);
}

static void get_link(struct hb_rd *r, struct hb_policy_link *l) {
        l->latency_s = hb_rd_f64(r);
        l->bytes_per_s = hb_rd_f64(r);
        l->free_bytes_per_s = hb_rd_f64(r);
        l->used_share = hb_rd_f64(r);
        l->cap_bytes_per_s = hb_rd_f64(r);
        if (hb_rd_left(r) == 0)
                return; /* written before links had these */
        l->confidence = hb_rd_f64(r);
        l->pace_loss = hb_rd_f64(r);
}

static void put_fetched(const struct hb_engine_input *in, struct hb_buf *b) {
        hb_buf_varint(b, in->gfn);
        hb_buf_varint(b, in->pages);
        hb_buf_varint(b, in->stamp);
        hb_buf_varint(b, in->wire_bytes);
        hb_buf_varint(b, in->zero_mask);
        put_answers(in, b);
}

static void get_fetched(struct hb_rd *r, uint64_t total, struct hb_engine_input *in,
                        struct hb_engine_input_room *room) {
        uint64_t pages;

        get_run(r, total, 64, &in->gfn, &pages);
        in->pages = (uint32_t)pages;
        in->stamp = get_u32(r);
        in->wire_bytes = hb_rd_varint(r);
        in->zero_mask = hb_rd_varint(r);
        get_answers(r, in, room);
}

static void put_known(const struct hb_engine_input *in, struct hb_buf *b) {
        hb_buf_varint(b, in->gfn);
        hb_buf_varint(b, in->pages);
        hb_buf_varint(b, in->stamp);
        hb_buf_u8(b, in->on);
}

static void get_known(struct hb_rd *r, uint64_t total, struct hb_engine_input *in) {
        uint64_t pages;

        get_run(r, total, UINT32_MAX, &in->gfn, &pages);
        in->pages = (uint32_t)pages;
        in->stamp = get_u32(r);
        in->on = hb_rd_bool(r);
}

static void put_copied(const struct hb_engine_input *in, struct hb_buf *b) {
        hb_buf_varint(b, in->gfn);
        hb_buf_varint(b, in->pages);
        hb_buf_varint(b, in->stamp);
        hb_buf_varint(b, in->zero_mask);
        put_answers(in, b);
}

static void get_copied(struct hb_rd *r, uint64_t total, struct hb_engine_input *in,
                       struct hb_engine_input_room *room) {
        uint64_t pages;

        get_run(r, total, 64, &in->gfn, &pages);
        in->pages = (uint32_t)pages;
        in->stamp = get_u32(r);
        in->zero_mask = hb_rd_varint(r);
        get_answers(r, in, room);
}

static void get_failed(struct hb_rd *r, uint64_t total, struct hb_engine_input *in) {
        uint64_t pages;

        get_run(r, total, UINT32_MAX, &in->gfn, &pages);
        in->pages = (uint32_t)pages;
}

static void get_invalidate(struct hb_rd *r, struct hb_engine_input *in, struct hb_engine_input_room *room) {
        in->from = get_u32(r);
        in->to = in->from + (uint32_t)hb_rd_upto(r, UINT32_MAX - in->from);
        if (in->to == in->from)
                hb_rd_fail(r);
        get_set(r, in, room);
}

/* A change's own bytes are its own matter (policy/change.h). */
static void get_change(struct hb_rd *r, struct hb_engine_input *in, struct hb_engine_input_room *room) {
        if (hb_policy_change_decode(r, &room->change) < 0)
                hb_rd_fail(r);
        in->change = &room->change;
}

static void put_body(const struct hb_engine_input *in, struct hb_buf *b) {
        switch (in->kind) {
        case HB_IN_BEGIN:
                put_begin(in, b);
                break;
        case HB_IN_INVALIDATE:
                hb_buf_varint(b, in->from);
                hb_buf_varint(b, in->to - in->from);
                hb_runs_encode(in->set, b);
                break;
        case HB_IN_ZERO:
                hb_buf_varint(b, in->to);
                put_answers(in, b);
                hb_runs_encode(in->set, b);
                break;
        case HB_IN_SUMMARY:
                put_summary(in, b);
                break;
        case HB_IN_LINK:
                put_link(&in->link, b);
                break;
        case HB_IN_FETCHED:
                put_fetched(in, b);
                break;
        case HB_IN_KNOWN:
                put_known(in, b);
                break;
        case HB_IN_COPIED:
                put_copied(in, b);
                break;
        case HB_IN_FAILED:
        case HB_IN_LOST:
        case HB_IN_REFUTED:
                hb_buf_varint(b, in->gfn);
                hb_buf_varint(b, in->pages);
                break;
        case HB_IN_DRAIN:
                hb_buf_u8(b, in->on);
                break;
        case HB_IN_FREEZE:
                hb_buf_varint(b, in->to);
                break;
        case HB_IN_DEMAND:
                hb_buf_varint(b, in->gfn);
                put_answers(in, b);
                break;
        case HB_IN_STEP:
                put_answers(in, b);
                break;
        case HB_IN_CHANGE:
                hb_policy_change_encode(in->change, b);
                break;
        case HB_IN_THAW:
        case HB_IN_RECONNECTED:
        case HB_IN_KINDS:
                break;
        }
}

void hb_engine_input_encode(const struct hb_engine_input *in, struct hb_buf *out) {
        hb_buf_u8(out, (uint8_t)in->kind);
        hb_buf_varint(out, in->now_ns);
        put_body(in, out);
}

static int get_body(struct hb_rd *r, uint64_t total, struct hb_engine_input *in,
                    struct hb_engine_input_room *room) {
        switch (in->kind) {
        case HB_IN_BEGIN:
                return get_begin(r, total, in, room);
        case HB_IN_INVALIDATE:
                get_invalidate(r, in, room);
                break;
        case HB_IN_ZERO:
                in->to = get_u32(r);
                get_answers(r, in, room);
                get_set(r, in, room);
                break;
        case HB_IN_SUMMARY:
                get_summary(r, total, in);
                break;
        case HB_IN_LINK:
                get_link(r, &in->link);
                break;
        case HB_IN_FETCHED:
                get_fetched(r, total, in, room);
                break;
        case HB_IN_KNOWN:
                get_known(r, total, in);
                break;
        case HB_IN_COPIED:
                get_copied(r, total, in, room);
                break;
        case HB_IN_FAILED:
        case HB_IN_LOST:
        case HB_IN_REFUTED:
                get_failed(r, total, in);
                break;
        case HB_IN_DRAIN:
                in->on = hb_rd_bool(r);
                break;
        case HB_IN_FREEZE:
                in->to = get_u32(r);
                break;
        case HB_IN_DEMAND:
                in->gfn = hb_rd_upto(r, total ? total - 1 : 0);
                get_answers(r, in, room);
                break;
        case HB_IN_STEP:
                get_answers(r, in, room);
                break;
        case HB_IN_CHANGE:
                get_change(r, in, room);
                break;
        case HB_IN_THAW:
        case HB_IN_RECONNECTED:
                break;
        default:
                hb_rd_fail(r);
        }
        return 0;
}

int hb_engine_input_decode(struct hb_rd *in, uint64_t pages_total, struct hb_engine_input *ret,
                           struct hb_engine_input_room *room) {
        struct hb_engine_input i = {.taken = UINT32_MAX};
        int rc;

        if (room->scratch.bits != pages_total || pages_total == 0)
                return -EINVAL;
        i.kind = (enum hb_engine_input_kind)hb_rd_u8(in);
        i.now_ns = hb_rd_varint(in);
        rc = hb_rd_ok(in) ? get_body(in, pages_total, &i, room) : 0;
        if (rc == 0 && !hb_rd_done(in))
                rc = -EBADMSG;
        if (rc == 0)
                *ret = i;
        return rc;
}

void hb_engine_input_room_fini(struct hb_engine_input_room *room) {
        if (!room)
                return;
        hb_bitmap_fini(&room->scratch);
        free(room->runs);
        room->runs = NULL;
        room->cap = 0;
}

/* ---- options ---- */

#define OPTIONS_VERSION 1

void hb_engine_options_encode(const struct hb_engine_options *o, struct hb_buf *out) {
        hb_buf_u8(out, OPTIONS_VERSION);
        hb_buf_u64(out, o->window_bytes);
        hb_buf_u32(out, o->run_pages);
        hb_buf_f64(out, o->horizon_s);
        hb_buf_f64(out, o->epoch_s);
        hb_buf_f64(out, o->final_epoch_s);
        hb_buf_u64(out, o->plan_ns);
        hb_buf_u32(out, o->plan_pages);
}

int hb_engine_options_decode(struct hb_rd *in, struct hb_engine_options *ret) {
        struct hb_engine_options o = {0};
        uint8_t version = hb_rd_u8(in);

        o.window_bytes = hb_rd_u64(in);
        o.run_pages = hb_rd_u32(in);
        o.horizon_s = hb_rd_f64(in);
        o.epoch_s = hb_rd_f64(in);
        o.final_epoch_s = hb_rd_f64(in);
        o.plan_ns = hb_rd_u64(in);
        o.plan_pages = hb_rd_u32(in);
        if (!hb_rd_done(in) || version != OPTIONS_VERSION || !isfinite(o.horizon_s) || !isfinite(o.epoch_s) ||
            !isfinite(o.final_epoch_s) || o.window_bytes > 1ull << 50)
                return -EBADMSG;
        *ret = o;
        return 0;
}
