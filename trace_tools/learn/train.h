/* train: a model from traces. Lessons of all traces (learn/dataset.h) are gathered once, shuffled anew for
 * each pass, and given to a trainer (nn/trainer.h); after each pass the loss on lessons that are not trained
 * on decides which weights are kept and when to stop.
 *
 * A pass is the unit of stopping and going on: after each, what is needed to go on is written beside the
 * output (OUT.part), and a run that was stopped, and is asked for again with the same traces and options,
 * ends with the same bytes as one that went through. Deterministic on one machine. One thread. */
#pragma once
#include "learn/dataset.h"
#include "nn/trainer.h"

struct hb_train_options { /* zero: the default */
        const char *const *traces;
        unsigned ntraces;
        const char *const *validate; /* other traces to validate on; none: a share of the lessons */
        unsigned nvalidate;
        bool validate_none;    /* hold nothing back: all passes are run */
        double validate_share; /* 0.15: the last lessons of each trace */
        const char *out;
        bool resume;            /* else an OUT.part there is is put aside */
        const char *from;       /* begin with these weights; NULL: new ones */
        uint32_t hidden, dense; /* 32, 48 */
        uint32_t passes;        /* at most, 30 */
        uint32_t patience;      /* passes without a better validation, 5 */
        uint32_t steps;         /* of the trainer for each lesson, 2 */
        struct hb_trainer_options trainer;
        struct hb_dataset_options data;
        uint64_t memory_bytes; /* for lessons, 512 MiB: beyond it fewer moments are taken */
        uint64_t seed;         /* 1 */
        char note[200];        /* in the model; "": the traces' names */
};

struct hb_train_progress {
        uint32_t pass, passes;         /* pass: from 1; 0: gathering lessons */
        uint64_t at, of;               /* lessons of this pass; gathering: bytes */
        double loss, validation, best; /* NAN: unknown */
        double pages_per_s;
};

struct hb_train_result {
        uint32_t passes, best_pass; /* done; the one whose weights were written */
        bool resumed, stopped_early;
        uint64_t lessons, held_back, pages, steps, bad_steps;
        double loss, validation, untrained; /* untrained: validation of the weights it began with */
        double took_s;
        struct hb_model_info model;
};

/* `tick` nonzero: -ECANCELED, OUT.part stays. */
int hb_train_run(const struct hb_train_options *o, int (*tick)(void *arg, const struct hb_train_progress *p),
                 void *arg, struct hb_train_result *ret, struct hb_err *e);
