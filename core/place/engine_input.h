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
#include "policy/change.h"

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
        HB_IN_CHANGE, /* one that was taken */
        HB_IN_LOST,
        HB_IN_KNOWN,
        HB_IN_COPIED,
        HB_IN_REFUTED,
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
        uint64_t gfn, wire_bytes, zero_mask; /* FETCHED, FAILED, LOST, DEMAND, KNOWN, COPIED, REFUTED */
        uint32_t pages, stamp;
        bool on; /* DRAIN, KNOWN; BEGIN: the engine had been told nothing before, so all it knows is in
                    `begin` */
        /* STEP, DEMAND: how often the transport took a fetch before it said no; UINT32_MAX: it never said no.
         * Told after the fact: the tap sees a STEP when it is over. */
        uint32_t taken;
        /* The same to the end, for STEP, DEMAND (fetches and copies taken) and ZERO, FETCHED, COPIED (pages
         * really zeroed): yes so often, then no so often, then yes ..., ending with a no; what follows were
         * all yes. */
        const uint32_t *answers;
        uint32_t nanswers;
        bool answers_cut; /* more changes of mind than HB_ENGINE_ANSWERS: from here a replay may differ */
        const struct hb_engine_input_page *begin; /* BEGIN */
        uint64_t nbegin;
        const struct hb_policy_change *change; /* CHANGE */
};

#define HB_ENGINE_ANSWERS 256u /* room for answers in one input; even */

struct hb_engine_input_page { /* a run of pages in one state */
        uint64_t gfn, pages;
        uint32_t stamp, invalid, last_access;
        uint8_t flags, fetches, write_q, read_q;
};

/* Called for every input in order, after it took effect. Never calls the engine. `in` and what it points at:
 * good during the call. */
typedef void hb_engine_tap(void *arg, const struct hb_engine_input *in);
/* Sees HB_IN_BEGIN at once. NULL: no tap. Costs nothing while there is none. -ENOMEM: no room for BEGIN's
 * runs, no tap. Calls that are refused as senseless (pages outside the guest) are no inputs. */
int hb_engine_set_tap(hb_engine *e, hb_engine_tap *tap, void *arg);
/* Called for every fetch the transport took, from inside the input that made it, before the tap hears of that
 * input. `bucket`: of its score; HB_POLICY_BUCKETS for a demand. Never calls the engine. NULL: nobody. */
typedef void hb_engine_decided(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c,
                               unsigned bucket);
void hb_engine_set_decided(hb_engine *e, hb_engine_decided *decided, void *arg);

void hb_engine_input_encode(const struct hb_engine_input *in, struct hb_buf *out);
/* `scratch` (the guest's size) becomes in->set; `pages_of` a growable room for BEGIN's runs, freed by the
 * caller. -EBADMSG. */
struct hb_engine_input_room {
        struct hb_bitmap scratch;
        struct hb_engine_input_page *runs;
        uint64_t cap;
        uint32_t answers[HB_ENGINE_ANSWERS];
        struct hb_policy_change change; /* its source points into the bytes decoded */
};
void hb_engine_input_room_fini(struct hb_engine_input_room *room); /* what decoding took; scratch too */
int hb_engine_input_decode(struct hb_rd *in, uint64_t pages_total, struct hb_engine_input *ret,
                           struct hb_engine_input_room *room);
/* Gives it to an engine. Inside, fetches and zeroings are answered as they were: the engine's ops are called
 * for those that were taken, and what they return does not count. CHANGE: as hb_engine_change. -EINVAL:
 * BEGIN, which is for hb_engine_input_begin: it fills an image's records before hb_engine_new, and says
 * -ENODATA when the tap came to an engine that knew more than its pages. */
int hb_engine_input_apply(hb_engine *e, const struct hb_engine_input *in);
int hb_engine_input_begin(const struct hb_engine_input *in, struct hb_image_page *pages, uint64_t npages,
                          uint32_t *ret_processed);

/* As given to hb_engine_new. */
void hb_engine_options_encode(const struct hb_engine_options *o, struct hb_buf *out);
int hb_engine_options_decode(struct hb_rd *in, struct hb_engine_options *ret); /* -EBADMSG */
