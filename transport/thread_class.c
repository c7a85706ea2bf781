/* thread_class: a thread of bulk keeps its core for a whole slice (some milliseconds) when one of demand
 * wakes, unless the scheduler is told otherwise: that wait, and not the wire, was most of a demand page's
 * p99 beside bulk (docs/PERFORMANCE.md, "TCP").
 *
 * Bulk runs five steps nicer than the program, which leaves it a third of a core where the program has other
 * work for all of them; demand ten steps less nice and with a slice of 0.1 ms, by which
 * kernels from 6.12 let it in before a longer slice is over (older ones take no notice of it and go by
 * niceness). Ordinary classes all of them. SCHED_BATCH cost bulk a third of its rate on a host with other
 * work, because its wake-ups then wait for theirs; a real-time class was no quicker for demand, and a thread
 * that decrypts a whole hand-over must not be able to stop the host. Any thread; no state. */
#include "transport/thread_class.h"
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BULK_NICER      5
#define DEMAND_FIRST    10
#define DEMAND_SLICE_NS 100000u

struct attr { /* the kernel's sched_attr, first version; glibc 2.36 has none */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
};

static int apply(int nice, uint64_t slice_ns) {
        struct attr a = {.size = sizeof(a), .policy = SCHED_OTHER, .nice = nice, .runtime_ns = slice_ns};

        return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}

static int clamp_nice(int nice) {
        return nice < PRIO_MIN ? PRIO_MIN : nice >= PRIO_MAX ? PRIO_MAX - 1 : nice;
}

void hb_thread_class_set(enum hb_thread_class c) {
        int program = getpriority(PRIO_PROCESS, (id_t)getpid()); /* its main thread's */

        if (c == HB_THREAD_BULK)
                (void)apply(clamp_nice(program + BULK_NICER), 0);
        else if (apply(clamp_nice(program - DEMAND_FIRST), DEMAND_SLICE_NS) < 0)
                (void)apply(getpriority(PRIO_PROCESS, 0), DEMAND_SLICE_NS); /* its own */
}
