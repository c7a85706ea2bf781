/* model: the network that foresees accesses. For a page of a guest, from the history alone, it gives the
 * chance that the page is accessed, and that it is written, within the next horizon (5 to 30 s), and how
 * often (windows with an access, with a write; of HB_HISTORY_WINDOW_NS).
 *
 * One shared network. A 2 MiB block's past (counts of pages seen and written, window by window, beside the
 * guest's) goes through an LSTM; what it ends with, joined with the page's own features (its history word cut
 * into spans, ages, gaps between its returns, how often it was there a gap ago, its neighbours' activity, the
 * guest's phase, the horizon; nn/features.h names them), goes through two dense layers to the four outputs,
 * and by a short cut past them: what a page's age says needs no layers. So a block is looked at once,
 * whatever number of its pages is asked about. An untrained model ranks by recency.
 *
 * Asking is deterministic, the same bits on every x86-64; training is not promised to be, across machines.
 * A model is not changed while it is asked: training works on a copy. One thread at a time each. */
#pragma once
#include "base/bytes.h"
#include "base/err.h"
#include "map/history.h"

typedef struct hb_model hb_model;

#define HB_MODEL_VERSION  1u
#define HB_MODEL_FILE_MAX (2u << 20)
#define HB_MODEL_STEPS    32u /* windows of a block's past, newest last */
#define HB_MODEL_BLOCK_IN 8u  /* inputs of a step */
#define HB_MODEL_PAGE_IN  64u /* features of a page: enum hb_feature of nn/features.h */
#define HB_MODEL_OUT      4u  /* logits of accessed and written, log1p of windows accessed and written */

struct hb_model_info {
        uint32_t hidden, dense; /* of the LSTM, of the layer after it */
        uint64_t weights, steps, seed, examples;
        double loss, validation; /* when it was written */
        char note[256];          /* what it was trained on */
        char hash[33];           /* of the weights, 128 bits, hex */
};

int hb_model_new(uint32_t hidden, uint32_t dense, uint64_t seed, hb_model **ret);
hb_model *hb_model_free(hb_model *m);
int hb_model_copy(const hb_model *m, hb_model **ret); /* weights alone, for asking or to begin training */
void hb_model_info(const hb_model *m, struct hb_model_info *ret);
void hb_model_set_info(hb_model *m, const struct hb_model_info *i); /* what it cannot know itself */

/* The file, little-endian: magic "HBMODEL\n"; u32 HB_MODEL_VERSION, version of the features,
 * HB_MODEL_PAGE_IN, HB_MODEL_BLOCK_IN, HB_MODEL_STEPS, HB_MODEL_OUT, hidden, dense; u64 steps, seed,
 * examples; f64 loss, validation; the note (u16 length, bytes); u32 number of weights, the weights as 32-bit
 * floats: LSTM's input, state, bias (gates i f g o), first layer's share of the block, of the page, bias,
 * second layer, bias, outputs' layer, short cut, bias, each row-major; XXH3-128 of all before it, low half
 * first. Decoding checks every bound, the sum, and that all weights are finite. -EBADMSG, -EPROTONOSUPPORT
 * another version of the format or of the features, -ENOMEM. */
int hb_model_encode(const hb_model *m, struct hb_buf *out);
int hb_model_decode(const void *data, size_t size, const char *name, hb_model **ret, struct hb_err *e);
int hb_model_read(const char *path, hb_model **ret, struct hb_err *e);
int hb_model_write(const hb_model *m, const char *path, struct hb_err *e); /* beside and renamed */

/* What the network sees of n pages at one moment. */
struct hb_model_batch {
        uint32_t n, blocks;
        double horizon_s;
        float *page;     /* [n][HB_MODEL_PAGE_IN] */
        uint32_t *block; /* [n] index into blocks */
        float *sequence; /* [HB_MODEL_STEPS][blocks][HB_MODEL_BLOCK_IN] */
};
int hb_model_batch_make(const hb_history *h, uint32_t window, double horizon_s, const uint32_t *gfn,
                        uint32_t n, struct hb_model_batch *ret); /* gfn ascending; -ENOMEM */
void hb_model_batch_free(struct hb_model_batch *b);

struct hb_model_answer {           /* n floats each */
        float *accessed, *written; /* chances, 0..1 */
        float *windows, *windows_written;
};
/* Features and network at once, in small parts: memory does not grow with n. -ENOMEM. */
int hb_model_ask(const hb_model *m, const hb_history *h, uint32_t window, double horizon_s,
                 const uint32_t *gfn, uint32_t n, const struct hb_model_answer *ret);
int hb_model_ask_batch(const hb_model *m, const struct hb_model_batch *b, const struct hb_model_answer *ret);

/* A lesson to train on. */
struct hb_model_lesson {
        struct hb_model_batch batch;
        float *labels;  /* [n][HB_MODEL_OUT]: accessed 0/1, written 0/1, windows, windows written */
        float *weights; /* [n], or NULL: 1 each */
};
struct hb_model_lesson *hb_model_lesson_free(struct hb_model_lesson *l);
