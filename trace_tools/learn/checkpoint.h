/* checkpoint: what a training run needs to go on after a pass. One file, written beside and renamed; magic
 * "HBTRAIN\n", version, the run's key, counters, the trainer's state, the best weights so far, FNV-1a of all
 * before it. A file of another key, or damaged, is no checkpoint of this run. Internal to the room. */
#pragma once
#include "base/bytes.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define HB_CHECKPOINT_MAX (32u << 20)

struct hb_checkpoint {
        char key[1024];                  /* traces and options, as text */
        uint32_t pass, best_pass, worse; /* worse: passes since the best */
        double loss, validation, best, untrained;
        uint64_t examples, bad_steps;
        struct hb_buf trainer, model; /* hb_trainer_save, hb_model_encode */
};

int hb_checkpoint_write(const char *path, const struct hb_checkpoint *c, struct hb_err *e);
/* -ENOENT: there is none; -EBADMSG: it cannot be used. *ret is the caller's to fini on success. */
int hb_checkpoint_read(const char *path, struct hb_checkpoint *ret, struct hb_err *e);
int hb_checkpoint_decode(const void *data, size_t size, struct hb_checkpoint *ret); /* -EBADMSG, -ENOMEM */
void hb_checkpoint_fini(struct hb_checkpoint *c);
