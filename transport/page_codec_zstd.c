/* page_codec_zstd: zstd's contexts, and the library that may find matches for them.
 *
 * Without a producer the one-call interface is used, which ignores parameters that stay. With one: the
 * parameters it cannot live with (long-distance matching, workers) are off, its sequences are validated (a
 * wrong parse would be a frame of other bytes), failed blocks fall back to zstd's own finder within the
 * frame, and a frame that is refused altogether is made again without it. A producer that fails FAILURES_MAX
 * runs in a row is left alone by this codec: each attempt costs time. Counters are atomic: codecs of many
 * threads share one library. */
#include "transport/page_codec_zstd.h"
#include "base/fault.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY /* for the sequence producer */
#include <zstd.h>

#define FAILURES_MAX 16u

struct hb_producer {
        char path[256];
        void *library;
        int (*start)(void);
        void (*stop)(void);
        void *(*new_state)(void);
        void (*free_state)(void *state);
        ZSTD_sequenceProducer_F *sequences;
        bool started;
        _Atomic uint64_t blocks, failed;
};

struct hb_zstd {
        ZSTD_CCtx *cctx;
        ZSTD_DCtx *dctx;
        hb_producer *producer;
        void *state;
        uint64_t failed_blocks; /* of the run at work */
        unsigned failures;      /* runs in a row */
};

/* ---- the library ---- */

static const char *const names[][5] = {
        {"hb_producer_start", "hb_producer_stop", "hb_producer_new_state", "hb_producer_free_state",
         "hb_producer_sequences"},
        {"QZSTD_startQatDevice", "QZSTD_stopQatDevice", "QZSTD_createSeqProdState", "QZSTD_freeSeqProdState",
         "qatSequenceProducer"},
};

/* The first name of the set that is missing, NULL when all are there. */
static const char *find_names(hb_producer *p, const char *const *set) {
        void *at[5];

        for (unsigned i = 0; i < 5; i++) {
                at[i] = dlsym(p->library, set[i]);
                if (!at[i])
                        return set[i];
        }
        memcpy(&p->start, &at[0], sizeof at[0]); /* ISO C has no cast from an object to a function */
        memcpy(&p->stop, &at[1], sizeof at[1]);
        memcpy(&p->new_state, &at[2], sizeof at[2]);
        memcpy(&p->free_state, &at[3], sizeof at[3]);
        memcpy(&p->sequences, &at[4], sizeof at[4]);
        return NULL;
}

/* It runs with the daemon's rights, so nobody else may be able to change it. */
static int check_file(const char *path, struct hb_err *e) {
        struct stat st;

        if (path[0] != '/' || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return hb_err_set(e, -ENOENT, path, "correct [transport] zstd_producer, or leave it empty",
                                  "there is no such library");
        if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) != 0)
                return hb_err_set(e, -EPERM, path, "chown root and chmod go-w the library",
                                  "others could change it, and it would run with our rights");
        return 0;
}

static int open_library(hb_producer *p, struct hb_err *e) {
        const char *missing;
        int rc;

        p->library = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
        if (!p->library)
                return hb_err_set(e, -ENOENT, p->path,
                                  "install what it needs, or leave [transport] zstd_producer empty",
                                  "cannot be loaded: %s", dlerror());
        missing = find_names(p, names[0]);
        if (missing && find_names(p, names[1]))
                return hb_err_set(e, -EPROTONOSUPPORT, p->path,
                                  "name a library with the entry points of docs/OPERATING.md",
                                  "is no sequence producer: it lacks %s", missing);
        rc = hb_fault("producer.start") ? -1 : p->start();
        if (rc != 0 && rc != 1) /* 1: QAT's "was started already" */
                return hb_err_set(e, -EIO, p->path, "check the device and its service (for QAT: qat.service)",
                                  "its device does not start (%d)", rc);
        p->started = true;
        return 0;
}

int hb_producer_load(const char *path, hb_producer **ret, struct hb_err *e) {
        hb_producer *p;
        int rc = check_file(path, e);

        if (rc < 0)
                return rc;
        p = calloc(1, sizeof(*p));
        if (!p)
                return hb_err_set(e, -ENOMEM, path, NULL, "out of memory");
        snprintf(p->path, sizeof p->path, "%s", path);
        rc = open_library(p, e);
        if (rc < 0) {
                hb_producer_free(p);
                return rc;
        }
        *ret = p;
        return 0;
}

hb_producer *hb_producer_free(hb_producer *p) {
        if (!p)
                return NULL;
        if (p->started)
                p->stop();
        if (p->library)
                dlclose(p->library);
        free(p);
        return NULL;
}

const char *hb_producer_path(const hb_producer *p) {
        return p->path;
}

void hb_producer_stats(const hb_producer *p, struct hb_producer_stats *ret) {
        *ret = (struct hb_producer_stats){.blocks = p->blocks, .failed = p->failed};
}

/* ---- one thread's contexts ---- */

hb_zstd *hb_zstd_free(hb_zstd *z) {
        if (!z)
                return NULL;
        hb_zstd_set_producer(z, NULL);
        ZSTD_freeCCtx(z->cctx);
        ZSTD_freeDCtx(z->dctx);
        free(z);
        return NULL;
}

int hb_zstd_new(hb_zstd **ret) {
        hb_zstd *z = calloc(1, sizeof(*z));

        if (!z)
                return -ENOMEM;
        z->cctx = ZSTD_createCCtx();
        z->dctx = ZSTD_createDCtx();
        if (!z->cctx || !z->dctx) {
                hb_zstd_free(z);
                return -ENOMEM;
        }
        *ret = z;
        return 0;
}

size_t hb_zstd_bound(size_t size) {
        return ZSTD_compressBound(size);
}

const char *hb_zstd_version(void) {
        return ZSTD_versionString();
}

static size_t ask_producer(void *arg, ZSTD_Sequence *out, size_t capacity, const void *src, size_t size,
                           const void *dict, size_t dict_size, int level, size_t window) {
        hb_zstd *z = arg;
        size_t n = hb_fault("producer.block") ? ZSTD_SEQUENCE_PRODUCER_ERROR
                                              : z->producer->sequences(z->state, out, capacity, src, size,
                                                                       dict, dict_size, level, window);

        atomic_fetch_add_explicit(&z->producer->blocks, 1, memory_order_relaxed);
        if (n == 0 || n > capacity) {
                z->failed_blocks++;
                return ZSTD_SEQUENCE_PRODUCER_ERROR;
        }
        return n;
}

bool hb_zstd_set_producer(hb_zstd *z, hb_producer *p) {
        ZSTD_CCtx *c = z->cctx;

        if (z->producer) {
                ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
                ZSTD_registerSequenceProducer(c, NULL, NULL);
                z->producer->free_state(z->state);
                z->producer = NULL;
        }
        if (!p)
                return true;
        z->state = p->new_state();
        if (!z->state)
                return false;
        z->producer = p;
        z->failures = 0;
        if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, ZSTD_ps_disable)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_nbWorkers, 0)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_enableSeqProducerFallback, 1)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_validateSequences, 1))) {
                hb_zstd_set_producer(z, NULL);
                return false;
        }
        ZSTD_registerSequenceProducer(c, z, ask_producer);
        return true;
}

/* 0: refused, and to be made without the producer. */
static size_t compress_with_producer(hb_zstd *z, int level, const void *from, size_t size, void *to,
                                     size_t room) {
        size_t n;

        z->failed_blocks = 0;
        ZSTD_CCtx_setParameter(z->cctx, ZSTD_c_compressionLevel, level);
        n = ZSTD_compress2(z->cctx, to, room, from, size);
        if (ZSTD_isError(n)) { /* it said it was done, and the sequences are no parse of these bytes */
                ZSTD_CCtx_reset(z->cctx, ZSTD_reset_session_only);
                z->failed_blocks++;
                n = 0;
        }
        atomic_fetch_add_explicit(&z->producer->failed, z->failed_blocks, memory_order_relaxed);
        z->failures = z->failed_blocks ? z->failures + 1 : 0;
        return n;
}

size_t hb_zstd_compress(hb_zstd *z, int level, const void *from, size_t size, void *to, size_t room) {
        size_t n = 0;

        if (z->producer && z->failures < FAILURES_MAX)
                n = compress_with_producer(z, level, from, size, to, room);
        if (n == 0)
                n = ZSTD_compressCCtx(z->cctx, to, room, from, size, level);
        return ZSTD_isError(n) ? 0 : n;
}

bool hb_zstd_decompress(hb_zstd *z, const void *from, size_t packed, void *to, size_t size) {
        return ZSTD_decompressDCtx(z->dctx, to, size, from, packed) == size;
}
