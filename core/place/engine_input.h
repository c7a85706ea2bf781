/* engine_input: the engine's inputs as values: seen by a tap, written down, read again and given to another
 * engine, which then decides the same. Everything the engine's decisions depend on is here: what it was told,
 * when, and what the transport answered.
 *
 * The bytes of an input are those of docs/TRACE_FORMAT.md, stream "input". Decoding checks everything against
 * the engine's shape. */
#pragma once
#include "base/bytes.h"
#include "map/summary.h"
#include "place/engine.h"

enum hb_engine_input_kind {
        HB_IN_BEGIN = 1, /* the engine was made: processed, and each page that is not as in a new image */
        HB_IN_INVALIDATE,
        HB_IN_ZERO,
        HB_IN_SUMMARY, /* one entry */
        HB_IN_LINK,
        HB_IN_FETCHED,
        HB_IN_FAILED,
        HB_IN_DRAIN,
        HB_IN_FREEZE,
        HB_IN_THAW,
        HB_IN_DEMAND,
        HB_IN_RECONNECTED,
        HB_IN_STEP,
        HB_IN_KINDS
};

/* Only the fields of the kind mean anything. */
struct hb_engine_input {
        enum hb_engine_input_kind kind;
        uint64_t now_ns;
        uint32_t from, to; /* INVALIDATE; ZERO: to = stamp; BEGIN: to = processed; SUMMARY: to = epoch;
                              FREEZE: to = f */
        const struct hb_bitmap *set; /* INVALIDATE, ZERO */
        struct hb_summary_entry entry;
        struct hb_policy_link link;
        uint64_t gfn, wire_bytes, zero_mask; /* FETCHED, FAILED, DEMAND */
        uint32_t pages, stamp;
        bool on; /* DRAIN */
        /* STEP, DEMAND: how often the transport took a fetch before it said no; UINT32_MAX: it never said no.
         * Told after the fact: the tap sees a STEP when it is over. */
        uint32_t taken;
        const struct hb_engine_input_page *begin; /* BEGIN */
        uint64_t nbegin;
};

struct hb_engine_input_page { /* a run of pages in one state */
        uint64_t gfn, pages;
        uint32_t stamp, invalid, last_access;
        uint8_t flags, fetches, write_q, read_q;
};

/* Called for every input in order, after it took effect. Never calls the engine. `in` and what it points at:
 * good during the call. */
typedef void hb_engine_tap(void *arg, const struct hb_engine_input *in);
/* Sees HB_IN_BEGIN at once. NULL: no tap. Costs nothing while there is none. */
void hb_engine_set_tap(hb_engine *e, hb_engine_tap *tap, void *arg);

void hb_engine_input_encode(const struct hb_engine_input *in, struct hb_buf *out);
/* `scratch` (the guest's size) becomes in->set; `pages_of` a growable room for BEGIN's runs, freed by the
 * caller. -EBADMSG. */
struct hb_engine_input_room {
        struct hb_bitmap scratch;
        struct hb_engine_input_page *runs;
        uint64_t cap;
};
int hb_engine_input_decode(struct hb_rd *in, uint64_t pages_total, struct hb_engine_input *ret,
                           struct hb_engine_input_room *room);
/* Gives it to an engine. BEGIN is for hb_engine_input_begin, which fills an image's records before
 * hb_engine_new. */
int hb_engine_input_apply(hb_engine *e, const struct hb_engine_input *in);
int hb_engine_input_begin(const struct hb_engine_input *in, struct hb_image_page *pages, uint64_t npages,
                          uint32_t *ret_processed);

void hb_engine_options_encode(const struct hb_engine_options *o, struct hb_buf *out);
int hb_engine_options_decode(struct hb_rd *in, struct hb_engine_options *ret); /* -EBADMSG */
