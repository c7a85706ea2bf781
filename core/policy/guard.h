/* guard: runs a piece of work that must not run on for ever, and gets the thread back at its deadline.
 *
 * The deadline is CPU time of the calling thread, not time on the wall: policies do no I/O, so a busy machine
 * must not turn into a policy's fault (and into decisions that a replay cannot repeat).
 *
 * How: a POSIX timer aimed at the calling thread (SIGEV_THREAD_ID) raises HB_GUARD_SIGNAL there, so
 * everything below happens on that thread and no data is shared between threads.
 *   1. At the deadline the handler calls `interrupt`, which makes the work come to hb_guard_leave of its own
 * accord (Lua: arm a hook). Nothing is armed before, so work within its deadline pays nothing.
 *   2. GRACE later, when the work sits in a C loop that sees no hook (a garbage collection, a long copy), the
 * handler leaves for it with siglongjmp. This is sound only because the work owns all it touches, takes no
 * lock and calls no malloc: whoever gets -ETIME must throw the work's data away unread.
 *
 *   A piece of C that must not be left in its middle (it calls malloc, or writes what outlives the work) is
 * put between hb_guard_shield and hb_guard_unshield; the jump of 2 then waits for its end. Such a piece is
 * short by itself: a millisecond at most, and raises nothing.
 *
 * The process's signals: hb_guard_new installs a handler for HB_GUARD_SIGNAL if its disposition is the
 * default, and never takes it from anybody else; the handler stays, ignores every signal that is not from one
 * of our timers, and restarts system calls. The signal is unblocked only while the work runs. Where the
 * signal is taken, timers run out, or under ThreadSanitizer (which delays signals), the guard is *polled*:
 * the work has to ask hb_guard_due from time to time. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define HB_GUARD_SIGNAL   (SIGRTMAX - 2)
#define HB_GUARD_GRACE_NS 3000000ull

typedef struct hb_guard hb_guard;

struct hb_guard_job {
        void (*run)(void *arg);
        void (*interrupt)(void *arg); /* in a signal handler on the running thread; async-signal-safe, must
                                         not leave itself */
        void *arg;
};

int hb_guard_new(hb_guard **ret);
hb_guard *hb_guard_free(hb_guard *g);
/* Runs the job, not re-entrant; *ret_cpu_ns (may be NULL) is always set. 0: it returned. -ETIME: it was cut
 * off. */
int hb_guard_run(hb_guard *g, uint64_t budget_ns, const struct hb_guard_job *job, uint64_t *ret_cpu_ns);
/* Only from inside a running job: gives up now, hb_guard_run returns -ETIME. */
void hb_guard_leave(hb_guard *g) __attribute__((noreturn));
/* Only from inside a running job, not nested. Unshield gives up where it stands if the time is over. */
void hb_guard_shield(hb_guard *g);
void hb_guard_unshield(hb_guard *g);
bool hb_guard_polled(const hb_guard *g); /* may turn true on a hb_guard_run from another thread */
bool hb_guard_due(const hb_guard *g);    /* the deadline has passed */
