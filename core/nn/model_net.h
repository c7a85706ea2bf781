/* model_net: the model's weights and one pass through its network. Internal to the room, but for tests.
 *
 *   block's steps -> LSTM -> its last output h
 *   first  = relu(h Wblock + page Wpage + b)    Wblock's share is computed once a block
 *   second = relu(first W2 + b2)
 *   out    = second Wout + page Wskip + bout    the short cut: what a page's age says needs no layers
 * Before training the short cut ranks by age and the rest says next to nothing. */
#pragma once
#include "nn/model.h"
#include "nn/nn.h"

#define HB_MODEL_HIDDEN_MAX 128u
#define HB_MODEL_DENSE_MIN  2u
#define HB_MODEL_DENSE_MAX  256u

enum hb_model_param {
        HB_MODEL_WX,
        HB_MODEL_WH,
        HB_MODEL_B,
        HB_MODEL_BLOCK,
        HB_MODEL_PAGE,
        HB_MODEL_FIRST_B,
        HB_MODEL_SECOND,
        HB_MODEL_SECOND_B,
        HB_MODEL_LAST,
        HB_MODEL_SKIP,
        HB_MODEL_LAST_B,
        HB_MODEL_PARAMS
};

struct hb_model {
        uint32_t hidden, dense, second;
        uint64_t nweights;
        float *weights;  /* all of them, in the order of the params; the file's order too */
        float *learning; /* gradients, then m, then v, nweights each; NULL: only asked */
        struct hb_nn_param param[HB_MODEL_PARAMS];
        struct hb_model_info info; /* sizes and hash are filled in by hb_model_info */
};

/* Weights are zeros. -EINVAL sizes out of bounds, -ENOMEM. */
int hb_model_alloc(uint32_t hidden, uint32_t dense, hb_model **ret);
int hb_model_begin_learning(hb_model *m); /* takes the memory training needs, zeros */
uint64_t hb_model_count(uint32_t hidden, uint32_t dense);
struct hb_nn_lstm hb_model_lstm(const hb_model *m); /* a view: its weights are the model's */

struct hb_model_pass { /* one pass; what backward needs stays */
        uint32_t n, blocks;
        const float *page, *sequence;
        const uint32_t *block;
        float *memory;                                 /* what the rest lies in */
        float *h, *keep;                               /* [STEPS][blocks][hidden]; keep only when learning */
        float *joined, *first, *second, *out;          /* [blocks][dense], [n][...] */
        float *dout, *dsecond, *dfirst, *djoined, *dh; /* only when learning */
};
/* Memory for n pages of so many blocks. -ENOMEM. */
int hb_model_pass_begin(struct hb_model_pass *p, const hb_model *m, uint32_t n, uint32_t blocks, bool learn);
void hb_model_pass_end(struct hb_model_pass *p);
int hb_model_forward(const hb_model *m, struct hb_model_pass *p); /* page, sequence, block set; exact */
/* Loss of the pass's outputs, p->dout filled. labels as hb_model_lesson's; weights may be NULL. */
double hb_model_loss(struct hb_model_pass *p, const float *labels, const float *weights);
int hb_model_back(hb_model *m, struct hb_model_pass *p); /* adds to the gradients */
