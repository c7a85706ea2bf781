/* guard: see guard.h for the why. Invariant: `inside` is set exactly while a jump to `out` is allowed; the
 * handler reads it first, so a late signal finds nothing to do. Cost: about six system calls a run, 2 us. One
 * thread at a time. */
#include "policy/guard.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#ifdef __SANITIZE_THREAD__ /* its runtime hands a signal on when the program next calls libc */
#define SIGNALS_COME_LATE true
#else
#define SIGNALS_COME_LATE false
#endif

struct hb_guard {
        sigjmp_buf out;
        volatile sig_atomic_t inside, interrupted;
        volatile sig_atomic_t shielded, overdue; /* overdue: the jump waits for the shield's end */
        const struct hb_guard_job *job;
        uint64_t cpu_start, cpu_deadline;
        timer_t timer;
        pid_t tid; /* the thread the timer is aimed at; 0: no timer yet */
        bool polled;
};

static uint64_t cpu_now(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void arm(hb_guard *g, uint64_t ns) {
        struct itimerspec when = {
                .it_value = {.tv_sec = (time_t)(ns / HB_NS_PER_S), .tv_nsec = (long)(ns % HB_NS_PER_S)}};
        timer_settime(g->timer, 0, &when, NULL);
}

/* The timer runs on the wall and CPU time is never ahead of it, so the timer may come early: then it is set
 * again. */
static void on_timer(hb_guard *g) {
        uint64_t now = cpu_now(), limit = g->cpu_deadline + (g->interrupted ? HB_GUARD_GRACE_NS : 0);

        if (now < limit) {
                arm(g, limit - now);
                return;
        }
        if (g->interrupted && g->shielded) {
                g->overdue = 1;
                return;
        }
        if (g->interrupted)
                hb_guard_leave(g);
        g->interrupted = 1;
        g->job->interrupt(g->job->arg);
        arm(g, HB_GUARD_GRACE_NS);
}

static void on_signal(int sig, siginfo_t *info, void *context) {
        hb_guard *g = info->si_value.sival_ptr;
        int saved = errno;

        if (info->si_code == SI_TIMER && g && g->inside)
                on_timer(g);
        errno = saved;
}

static bool take_signal(void) {
        struct sigaction old, mine = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

        if (hb_fault("policy.signal") || sigaction(HB_GUARD_SIGNAL, NULL, &old) < 0)
                return false;
        if (old.sa_flags & SA_SIGINFO)
                return old.sa_sigaction == on_signal;
        return old.sa_handler == SIG_DFL && sigaction(HB_GUARD_SIGNAL, &mine, NULL) == 0;
}

/* Aims the timer at the calling thread; a guard that moved to another thread gets a new one. */
static void aim(hb_guard *g) {
        struct sigevent to = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = HB_GUARD_SIGNAL};
        pid_t tid = gettid();

        if (g->polled || g->tid == tid)
                return;
        if (g->tid)
                timer_delete(g->timer);
        to.sigev_value.sival_ptr = g;
        to.sigev_notify_thread_id = tid;
        g->tid = 0;
        if (hb_fault("policy.timer") || timer_create(CLOCK_MONOTONIC, &to, &g->timer) < 0)
                g->polled = true;
        else
                g->tid = tid;
}

static void run_unblocked(hb_guard *g, uint64_t budget_ns) {
        sigset_t ours, before;

        sigemptyset(&ours);
        sigaddset(&ours, HB_GUARD_SIGNAL);
        pthread_sigmask(SIG_UNBLOCK, &ours, &before);
        arm(g, budget_ns);
        g->job->run(g->job->arg);
        g->inside = 0;
        arm(g, 0);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int hb_guard_run(hb_guard *g, uint64_t budget_ns, const struct hb_guard_job *job, uint64_t *ret_cpu_ns) {
        volatile int rc = 0;

        aim(g);
        g->job = job;
        g->interrupted = g->shielded = g->overdue = 0;
        g->cpu_start = cpu_now();
        g->cpu_deadline = g->cpu_start + budget_ns;
        if (sigsetjmp(g->out, 1)) {
                rc = -ETIME;
                if (!g->polled)
                        arm(g, 0);
        } else {
                g->inside = 1;
                if (g->polled)
                        job->run(job->arg);
                else
                        run_unblocked(g, budget_ns ? budget_ns : 1);
                if (g->interrupted || (g->polled && hb_guard_due(g)))
                        rc = -ETIME; /* it came to its end during the grace: late all the same */
        }
        g->inside = 0;
        if (ret_cpu_ns)
                *ret_cpu_ns = cpu_now() - g->cpu_start;
        return rc;
}

void hb_guard_leave(hb_guard *g) {
        g->inside = 0;
        siglongjmp(g->out, 1);
}

void hb_guard_shield(hb_guard *g) {
        g->shielded = 1;
        atomic_signal_fence(memory_order_seq_cst);
}

/* A signal between the two statements finds no shield and leaves itself. */
void hb_guard_unshield(hb_guard *g) {
        atomic_signal_fence(memory_order_seq_cst);
        g->shielded = 0;
        if (g->overdue)
                hb_guard_leave(g);
}

bool hb_guard_polled(const hb_guard *g) {
        return g->polled;
}

bool hb_guard_due(const hb_guard *g) {
        return cpu_now() >= g->cpu_deadline;
}

int hb_guard_new(hb_guard **ret) {
        hb_guard *g;

        if (hb_fault("policy.guard"))
                return -ENOMEM;
        g = calloc(1, sizeof *g);
        if (!g)
                return -ENOMEM;
        g->polled = SIGNALS_COME_LATE || !take_signal();
        *ret = g;
        return 0;
}

hb_guard *hb_guard_free(hb_guard *g) {
        if (g && g->tid)
                timer_delete(g->timer);
        free(g);
        return NULL;
}
