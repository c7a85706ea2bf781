/* freeze: ptrace-stops all threads of a process for the length of one call.
 *
 * Why ptrace and not SIGSTOP: a stop signal is seen by the process's parent, and would outlive us if we were
 * killed in between. Threads may be born while we collect them, so the list is read again until a whole round
 * finds none that is new; a thread that is stopped cannot make another. Cost: about 20 us a thread. */
#include "track/freeze.h"
#include "base/clock.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/ptrace_thread.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#define MAX_THREADS 4096u
#define STOP_NS     (2 * HB_NS_PER_S)

struct frost {
        pid_t pid;
        int (*fn)(void *arg);
        void *arg;
        uint64_t began_ns, frozen_ns;
        bool ran, ending; /* ending: a listed thread was about to be gone */
        unsigned n;
        pid_t held[MAX_THREADS], seen[MAX_THREADS];
};

static bool is_held(const struct frost *f, pid_t tid) {
        for (unsigned i = 0; i < f->n; i++)
                if (f->held[i] == tid)
                        return true;
        return false;
}

enum kind { STOPPABLE, ENDING, ENDED_LEADER, KERNEL_WORKER };

/* Refusing ptrace may mean "not ours", or a thread that never needs stopping: one that has ended, or a kernel
 * worker that lives in the process (io_uring, vhost; what those write is in the tracker's `blind`). */
static enum kind kind_of(pid_t pid, pid_t tid) {
        char file[48], text[512];
        const char *name, *state;

        snprintf(file, sizeof file, "task/%d/stat", (int)tid);
        if (hb_proc_read(pid, file, text, sizeof text) <= 0)
                return ENDING;
        name = strchr(text, '(');
        state = strrchr(text, ')');
        if (!name || !state || strlen(state) < 3)
                return STOPPABLE;
        if (state[2] == 'Z' || state[2] == 'X')
                return tid == pid ? ENDED_LEADER : ENDING;
        if (tid != pid && (strncmp(name, "(iou-", 5) == 0 || strncmp(name, "(vhost-", 7) == 0))
                return KERNEL_WORKER;
        return STOPPABLE;
}

/* Attach to all that are new and ask them to stop; *ret_listed is how many threads were seen. */
static int seize_new(struct frost *f, int *ret_listed) {
        int listed = hb_list_threads(f->pid, f->seen, MAX_THREADS), taken = 0;

        f->ending = false;
        for (int i = 0; i < listed; i++) {
                enum kind kind;
                int r;

                if (is_held(f, f->seen[i]))
                        continue;
                r = hb_ptrace_seize(f->seen[i], 0);
                kind = r == -ESRCH ? ENDING : r == -EPERM ? kind_of(f->pid, f->seen[i]) : STOPPABLE;
                f->ending = f->ending || kind == ENDING;
                if (kind != STOPPABLE)
                        continue;
                if (r < 0)
                        return r;
                ptrace(PTRACE_INTERRUPT, f->seen[i], NULL, NULL);
                f->held[f->n++] = f->seen[i];
                taken++;
                if (f->n == MAX_THREADS)
                        return -E2BIG;
        }
        *ret_listed = listed;
        return listed < 0 ? listed : taken;
}

/* Takes what is new and waits for each: the stops overlap. 0 when all threads are held: none was new, none
 * was ending, and the list had as many as the process says it has. (Reading the list can skip a thread while
 * others end, so its silence alone proves nothing; and one that ends between list and count would make up for
 * it.) */
static int take_new(struct frost *f) {
        unsigned first = f->n;
        uint64_t threads = 0;
        int listed = 0, taken = seize_new(f, &listed);

        for (unsigned i = first; i < f->n; i++) {
                int r = hb_ptrace_stop(f->held[i], f->began_ns + STOP_NS);

                if (r < 0 && r != -ESRCH)
                        return r;
        }
        if (taken == 0 && hb_proc_status_number(f->pid, "Threads", &threads) == 0 &&
            (f->ending || threads != (uint64_t)listed))
                return hb_now_ns() < f->began_ns + STOP_NS ? 1 : -ETIMEDOUT;
        return taken;
}

static int freeze_and_run(void *arg) {
        struct frost *f = arg;
        int taken;

        f->began_ns = hb_now_ns();
        do
                taken = take_new(f);
        while (taken > 0);
        if (taken == 0 && f->n == 0)
                taken = -ESRCH;
        if (taken == 0) {
                f->ran = true;
                taken = f->fn(f->arg);
        }
        for (unsigned i = 0; i < f->n; i++)
                hb_ptrace_detach(f->held[i]);
        f->frozen_ns = hb_now_ns() - f->began_ns;
        return taken;
}

int hb_freeze(pid_t pid, int (*fn)(void *arg), void *arg, uint64_t *ret_frozen_ns, struct hb_err *e) {
        struct frost *f = hb_fault("track.freeze") ? NULL : calloc(1, sizeof *f);
        int r = -ENOMEM;
        bool ran = false;

        if (f) {
                f->pid = pid;
                f->fn = fn;
                f->arg = arg;
                r = hb_on_tracer_thread(freeze_and_run, f);
                ran = f->ran;
                if (ret_frozen_ns)
                        *ret_frozen_ns = f->frozen_ns;
                free(f);
        }
        if (ran || r >= 0)
                return r;
        if (r == -EPERM)
                return hb_ptrace_refused(pid, e);
        if (r == -ESRCH)
                return hb_err_set(e, r, NULL, "check that the guest is running", "process %d ended",
                                  (int)pid);
        return hb_err_set(e, r, NULL, "try again", "process %d could not be stopped for a moment: %s",
                          (int)pid, hb_errno_name(r));
}
