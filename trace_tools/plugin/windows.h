/* windows: counts accesses by page and vCPU, and closes windows over all vCPUs.
 *
 * A vCPU counts into a table of its own, without locks or shared writes. Every CHUNK accesses it looks up:
 * when a window is to close it hands its table over. A vCPU that is about to wait (a system call, an idle
 * guest) parks: whoever closes a window takes the table of a parked one. The window is sent when all have
 * handed over, so its sums are exact: every access is in one window, once. */
#pragma once
#include "plugin/frame.h"
#include "plugin/out.h"
#include "plugin/table.h"
#include <pthread.h>
#include <stdatomic.h>

#define HB_VCPUS_MAX 8192u

struct hb_recent { /* the page met last */
        uint64_t key;
        struct hb_cell *cell;
};

struct hb_vcpu {
        int64_t left;               /* accesses until the next look up; 0: parked, or none reserved */
        struct hb_recent recent[2]; /* reads, writes */
        struct hb_table table;
        int64_t left_insns;
        /* Below: seldom touched. */
        uint64_t reserved, reserved_insns; /* since they were counted last */
        uint64_t accesses, insns;          /* in the table */
        atomic_uint seen;                  /* the last window it handed over for */
        _Atomic pthread_t thread;          /* where it ran last; 0: it never did */
        atomic_int state;
} __attribute__((aligned(64)));

struct hb_windows_options {
        int fd;
        bool whole_guest;
        enum hb_frame_unit unit;
        uint64_t window;
};

struct hb_windows {
        struct hb_vcpu *vcpus[HB_VCPUS_MAX];
        atomic_uint limit; /* vCPUs that may count: 0 when nothing is recorded any more */
        struct hb_windows_options o;
        hb_out *out;
        _Atomic uint64_t accesses, insns; /* counted so far, by chunks */
        _Atomic uint64_t ends;            /* where the window ends, in its unit */
        atomic_uint window;               /* how many were closed: what vCPUs have to hand over for */
        /* Under the lock. */
        pthread_mutex_t lock;
        struct hb_table sum;
        unsigned pending, made; /* vCPUs that still have to hand over; vCPUs there are */
        uint64_t sent_accesses, sent_insns, began_ns, last_sent;
        _Atomic uint64_t lost;
        atomic_uint forks; /* children, which are not recorded */
        uint32_t number;
};

/* Takes o->fd. The thread that writes begins here. */
int hb_windows_start(struct hb_windows *w, const struct hb_windows_options *o);
/* Closes a window now, if every vCPU is parked, and sees it written: for what may be the end of this process.
 */
void hb_windows_flush(struct hb_windows *w);
void hb_windows_stop(struct hb_windows *w);   /* records nothing from here on; for a forked child */
void hb_windows_finish(struct hb_windows *w); /* nobody counts any more: the last window and the end mark */

int hb_vcpu_add(struct hb_windows *w, unsigned vcpu);       /* may be there already */
bool hb_vcpu_turn(struct hb_windows *w, struct hb_vcpu *v); /* looks up, and goes on: false: not counting */
void hb_vcpu_park(struct hb_windows *w, struct hb_vcpu *v);
struct hb_cell *hb_vcpu_miss(struct hb_windows *w, struct hb_vcpu *v, uint64_t key, bool write);

static inline struct hb_vcpu *hb_vcpu_of(const struct hb_windows *w, unsigned vcpu) {
        return __builtin_expect(vcpu < atomic_load_explicit(&w->limit, memory_order_relaxed), 1)
                       ? w->vcpus[vcpu]
                       : NULL;
}

static inline void hb_vcpu_count(struct hb_windows *w, struct hb_vcpu *v, uint64_t page, bool write) {
        struct hb_cell *c = v->recent[write].cell;
        uint64_t key = page + 1;

        if (__builtin_expect(--v->left < 0, 0)) {
                if (!hb_vcpu_turn(w, v))
                        return;
                c = v->recent[write].cell; /* the table may have been handed over */
        }
        if (__builtin_expect(v->recent[write].key != key, 0)) {
                c = hb_vcpu_miss(w, v, key, write);
                if (!c)
                        return;
        }
        if (write)
                c->writes++;
        else
                c->reads++;
}

static inline void hb_vcpu_insns(struct hb_windows *w, struct hb_vcpu *v, unsigned n) {
        v->left_insns -= n;
        if (__builtin_expect(v->left_insns < 0, 0))
                (void)hb_vcpu_turn(w, v);
}
