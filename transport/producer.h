/* producer: an accelerator that finds the matches of zstd blocks (zstd's external sequence producer), loaded
 * by name from a shared library while the daemon runs. What it yields is checked by zstd, and what it fails
 * to do zstd's own match finder does: blocks on the wire stay plain zstd, and a receiver cannot tell.
 *
 * A library offers either the entry points of Intel's QAT plugin (libqatseqprod.so:
 * QZSTD_startQatDevice, QZSTD_stopQatDevice, QZSTD_createSeqProdState, QZSTD_freeSeqProdState and
 * qatSequenceProducer), or the same under neutral names:
 *
 *   int    hb_producer_start(void);                 0: ready; else the device does not work. Once a load.
 *   void   hb_producer_stop(void);                  after the last state was freed
 *   void  *hb_producer_new_state(void);             one a thread that compresses; NULL: none left
 *   void   hb_producer_free_state(void *state);
 *   size_t hb_producer_sequences(void *state, ZSTD_Sequence *out, size_t capacity, const void *src, size_t
 * size, const void *dict, size_t dict_size, int level, size_t window);
 *
 * the last with the meaning of ZSTD_sequenceProducer_F in zstd.h (1.5.4 or later). Thread-safe. */
#pragma once
#include "base/err.h"
#include <stdint.h>

typedef struct hb_producer hb_producer;
/* -ENOENT: cannot be loaded; -EPROTONOSUPPORT: it lacks entry points; -EIO: its device does not start;
 * -EPERM: others than root and its owner may write it. */
int hb_producer_load(const char *path, hb_producer **ret, struct hb_err *e);
/* Every codec that uses it is gone. */
hb_producer *hb_producer_free(hb_producer *p);
const char *hb_producer_path(const hb_producer *p);

struct hb_producer_stats {
        uint64_t blocks, failed; /* asked of the library; of these it did not do or did wrongly */
};
void hb_producer_stats(const hb_producer *p, struct hb_producer_stats *ret);
