/* inject: one stop of one thread, some system calls, and away.
 *
 * Order of things, each step chosen so that dying after it does no harm: stop the thread (a ptrace event stop
 * lies inside the kernel's signal code, so a system call it interrupted is restarted, or not, exactly as
 * after any signal); write the frame below its stack; set all registers at once to `syscall; ret` with the
 * frame as stack; block its signals; run to the call's entry; ask for a stop; let it run: it stops again on
 * its way out, in the signal code again. Then the old mask, then the old registers, then detach. Between the
 * two register changes the thread, left alone, would return into rt_sigreturn on the frame. The thread is one
 * that sleeps in a system call when there is one: best a futex, an idle worker the guest does not miss. */
#include "track/inject.h"
#include "base/clock.h"
#include "base/fault.h"
#include "track/gadget.h"
#include "track/procmaps.h"
#include "track/ptrace_thread.h"
#include "track/sigframe.h"
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MAX_THREADS     256u
#define TRIES           8u
#define STOP_NS         (500 * HB_NS_PER_MS) /* for a thread to stop at all */
#define CALL_NS         (5 * HB_NS_PER_S)    /* for a call to end */
#define CODE_SEGMENT_64 0x33u
#define TRAP_FLAG       0x100u
#define OPT_SYSGOOD     1ull
#define OPT_NO_SECCOMP  (1ull << 21) /* PTRACE_O_SUSPEND_SECCOMP */
#define GET_RSEQ        0x420f       /* PTRACE_GET_RSEQ_CONFIGURATION */

struct hb_inject {
        pid_t pid;
        struct hb_gadgets gadgets;
        uint64_t options;
};

struct run { /* one attempt; lives on the caller's stack while the tracer thread works */
        hb_inject *i;
        struct hb_inject_call *calls;
        unsigned n;
        pid_t tid;
        uint64_t began_ns, stopped_ns, mask;
        struct user_regs_struct saved;
        uint64_t sp;
        bool touched; /* its registers were changed: a call may have run, so no other thread is tried */
        uint8_t xstate[HB_SIGFRAME_MAX], frame[HB_SIGFRAME_MAX];
};

struct candidate {
        pid_t tid;
        int rank;
};

/* Lower is better: asleep on a futex, asleep elsewhere, running. Never one in uninterruptible sleep: it may
 * not stop. */
static int rank_thread(pid_t pid, pid_t tid) {
        char file[48], text[512];
        const char *state;
        long nr;

        snprintf(file, sizeof file, "task/%d/stat", (int)tid);
        if (hb_proc_read(pid, file, text, sizeof text) <= 0 || !(state = strrchr(text, ')')) ||
            strlen(state) < 3)
                return 9;
        if (state[2] != 'S' && state[2] != 'R' && state[2] != 'T')
                return 9;
        if (state[2] == 'R')
                return 4;
        snprintf(file, sizeof file, "task/%d/syscall", (int)tid);
        if (hb_proc_read(pid, file, text, sizeof text) <= 0)
                return 3;
        nr = strtol(text, NULL, 10);
        return nr == SYS_futex || nr == SYS_nanosleep || nr == SYS_clock_nanosleep ? (tid == pid ? 1 : 0) : 2;
}

static int by_rank(const void *a, const void *b) {
        return ((const struct candidate *)a)->rank - ((const struct candidate *)b)->rank;
}

static int choose_threads(pid_t pid, struct candidate *out) {
        pid_t tids[MAX_THREADS];
        int n = hb_list_threads(pid, tids, MAX_THREADS), kept = 0, best = 0;

        for (int i = 0; i < n; i++) {
                struct candidate c = {tids[i], rank_thread(pid, tids[i])};

                if (c.rank == 9)
                        continue;
                out[kept++] = c;
                best += c.rank == 0;
                if (best == 3)
                        break; /* good enough: do not look at the other 200 */
        }
        if (n < 0)
                return n;
        qsort(out, (size_t)kept, sizeof *out, by_rank);
        return kept;
}

/* A thread inside a restartable sequence must not be led away: the kernel would forget the sequence. */
static bool in_rseq(pid_t tid) {
        struct {
                uint64_t abi;
                uint32_t size, signature, flags, pad;
        } conf = {0};
        uint64_t cs = 0;
        struct iovec local = {&cs, 8}, remote;

        if (ptrace(GET_RSEQ, tid, sizeof conf, &conf) <= 0 || !conf.abi)
                return false;
        remote = (struct iovec){(void *)(conf.abi + 8), 8}; // NOLINT(performance-no-int-to-ptr)
        return process_vm_readv(tid, &local, 1, &remote, 1, 0) == 8 && cs != 0;
}

static int read_thread(struct run *r) {
        struct iovec io = {r->xstate, sizeof r->xstate};
        struct iovec local, remote;
        int len;

        if (ptrace(PTRACE_GETREGS, r->tid, NULL, &r->saved) < 0 ||
            ptrace(PTRACE_GETREGSET, r->tid, NT_X86_XSTATE, &io) < 0 ||
            ptrace(PTRACE_GETSIGMASK, r->tid, sizeof r->mask, &r->mask) < 0)
                return -errno;
        if (r->saved.cs != CODE_SEGMENT_64)
                return -EOPNOTSUPP;
        if (in_rseq(r->tid))
                return -EAGAIN;
        len = hb_sigframe_build(&r->saved, r->xstate, io.iov_len, r->mask, r->i->gadgets.sigreturn, r->frame,
                                &r->sp);
        if (len < 0)
                return len;
        local = (struct iovec){r->frame, (size_t)len};
        remote = (struct iovec){(void *)r->sp, (size_t)len}; // NOLINT(performance-no-int-to-ptr)
        /* No room below its stack: another thread may have some. */
        return process_vm_writev(r->tid, &local, 1, &remote, 1, 0) == len ? 0 : -EAGAIN;
}

static int run_to(struct run *r, int request, enum hb_stop wanted) {
        for (;;) {
                enum hb_stop how;
                int sig, err;

                if (ptrace((enum __ptrace_request)request, r->tid, NULL, NULL) < 0)
                        return -errno;
                err = hb_ptrace_wait(r->tid, hb_now_ns() + CALL_NS, &how, &sig);
                if (err < 0 || how == wanted)
                        return err;
                if (how == HB_STOP_SIGNAL)
                        return -EFAULT; /* with signals blocked, only a fault in the borrowed code comes here
                                         */
        }
}

static int run_call(struct run *r, struct hb_inject_call *c) {
        struct user_regs_struct regs = r->saved;
        uint64_t all = ~0ull;
        int err;

        regs.rip = r->i->gadgets.syscall_ret;
        regs.rsp = r->sp;
        regs.eflags &= ~(unsigned long long)TRAP_FLAG;
        regs.rax = (unsigned long long)c->nr;
        regs.orig_rax = (unsigned long long)-1; /* not in a system call: nothing to restart */
        regs.rdi = c->arg[0], regs.rsi = c->arg[1], regs.rdx = c->arg[2];
        regs.r10 = c->arg[3], regs.r8 = c->arg[4], regs.r9 = c->arg[5];
        r->touched = true;
        if (ptrace(PTRACE_SETREGS, r->tid, NULL, &regs) < 0 ||
            ptrace(PTRACE_SETSIGMASK, r->tid, sizeof all, &all) < 0)
                return -errno;
        err = run_to(r, PTRACE_SYSCALL, HB_STOP_SYSCALL);
        if (err == 0 && ptrace(PTRACE_INTERRUPT, r->tid, NULL, NULL) < 0)
                err = -errno;
        if (err == 0 && !hb_fault("track.inject.midway"))
                err = run_to(r, PTRACE_CONT, HB_STOP_EVENT);
        else if (err == 0)
                err = -EIO;
        if (err == 0 && ptrace(PTRACE_GETREGS, r->tid, NULL, &regs) < 0)
                err = -errno;
        if (err == 0)
                c->result = (long)regs.rax;
        return err;
}

/* Back to what it was. If the thread is not stopped any more, its frame does the same when this tracer thread
 * ends. */
static void put_back(struct run *r) {
        if (ptrace(PTRACE_SETSIGMASK, r->tid, sizeof r->mask, &r->mask) == 0)
                ptrace(PTRACE_SETREGS, r->tid, NULL, &r->saved);
        hb_ptrace_detach(r->tid);
}

static int inject_stopped(struct run *r) {
        int err = read_thread(r);

        if (err < 0) {
                hb_ptrace_detach(r->tid); /* nothing changed yet */
                return err;
        }
        for (unsigned k = 0; k < r->n && err == 0; k++)
                err = run_call(r, &r->calls[k]);
        /* Midway through a call only the frame may bring it back: ending the tracer thread lets it go on by
         * itself. A fault in the borrowed code is a stop like the last one, and must not be delivered. */
        if (err == 0 || err == -EFAULT)
                put_back(r);
        return err;
}

static int attempt(void *arg) {
        struct run *r = arg;
        int err = hb_ptrace_seize(r->tid, r->i->options);

        if (err < 0)
                return err;
        r->began_ns = hb_now_ns();
        err = hb_ptrace_stop(r->tid, r->began_ns + STOP_NS);
        if (err == 0)
                err = inject_stopped(r);
        r->stopped_ns = hb_now_ns() - r->began_ns;
        return err;
}

/* A process on its way out answers ptrace in many ways; its state says it plainly. */
static bool is_ending(pid_t pid) {
        char text[512];
        const char *state = hb_proc_read(pid, "stat", text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
        struct hb_buf maps = {0};
        bool ending = !state || strlen(state) < 3 || state[2] == 'Z' || state[2] == 'X' ||
                      (hb_procmaps_read(pid, &maps) == 0 && maps.len == 0);

        hb_buf_free(&maps);
        return ending;
}

static int explain(const hb_inject *i, int err, struct hb_err *e) {
        char which[32];

        snprintf(which, sizeof which, "pid %d", (int)i->pid);
        if (is_ending(i->pid))
                err = -ESRCH;
        if (err == -ESRCH)
                return hb_err_set(e, err, which, "check that the guest is running", "the process ended");
        if ((err == -EPERM || err == -EINVAL) && (i->options & OPT_NO_SECCOMP))
                return hb_err_set(
                        e, -EPERM, which,
                        "run harbingerd with CAP_SYS_ADMIN and CAP_SYS_PTRACE, or start the guest with "
                        "-sandbox off",
                        "its seccomp filter could not be suspended, and might kill it for our call");
        switch (err) {
        case -EPERM:
                return hb_ptrace_refused(i->pid, e);
        case -EOPNOTSUPP:
                return hb_err_set(e, err, which, "use the hash tracker for this guest",
                                  "not a 64-bit x86 process");
        case -ETIMEDOUT:
                return hb_err_set(e, err, which, "see what the process waits for: cat /proc/PID/stack",
                                  "a system call made for the process did not end in time");
        default:
                return hb_err_set(e, err, which, "try again",
                                  "no thread of the process could be used to make a system call: %s",
                                  hb_errno_name(err));
        }
}

/* A failure of one thread that another thread may not share. Anything after a call may have run is final. */
static bool worth_another(const struct run *r, int err) {
        if (r->touched)
                return false;
        return err == -EAGAIN || err == -ESRCH || err == -ETIMEDOUT || err == -EPERM;
}

int hb_inject_run(hb_inject *i, struct hb_inject_call *calls, unsigned n, uint64_t *ret_stopped_ns,
                  struct hb_err *e) {
        struct candidate *c = malloc(sizeof *c * MAX_THREADS);
        struct run *r = malloc(sizeof *r);
        int found, err = c && r ? -EAGAIN : -ENOMEM;
        uint64_t stopped = 0;

        for (unsigned round = 0; round < TRIES && err == -EAGAIN; round++) {
                found = choose_threads(i->pid, c);
                if (found <= 0) {
                        err = found < 0 ? found : -EAGAIN;
                        hb_sleep_ns(round * HB_NS_PER_MS);
                        continue;
                }
                if (!hb_gadgets_valid(i->pid, &i->gadgets) &&
                    (err = hb_gadgets_find(i->pid, &i->gadgets, e)) < 0) {
                        if (is_ending(i->pid))
                                err = explain(i, err, e);
                        goto out;
                }
                for (int k = 0; k < found && k < (int)TRIES; k++) {
                        *r = (struct run){.i = i, .calls = calls, .n = n, .tid = c[k].tid};
                        for (unsigned j = 0; j < n; j++)
                                calls[j].result = -ENOSYS;
                        err = hb_on_tracer_thread(attempt, r);
                        stopped += r->stopped_ns;
                        if (err == 0 || !worth_another(r, err))
                                break;
                }
        }
        if (err < 0)
                err = explain(i, err, e);
        else if (ret_stopped_ns)
                *ret_stopped_ns = stopped;
out:
        free(c);
        free(r);
        return err;
}

static int check_process(pid_t pid, uint64_t *ret_options, struct hb_err *e) {
        char text[8192];
        uint64_t seccomp = 0;

        *ret_options = OPT_SYSGOOD;
        if (hb_proc_status_number(pid, "Seccomp", &seccomp) == 0 && seccomp)
                *ret_options |= OPT_NO_SECCOMP; /* or its filter might kill it for our call */
        if (hb_proc_read(pid, "status", text, sizeof text) > 0) {
                const char *features = strstr(text, "x86_Thread_features:");
                const char *end = features ? strchr(features, '\n') : NULL;
                const char *shstk = features ? strstr(features, "shstk") : NULL;

                if (shstk && (!end || shstk < end))
                        return hb_err_set(e, -EOPNOTSUPP, NULL,
                                          "use the hash tracker, or start it with GLIBC_TUNABLES="
                                          "glibc.cpu.hwcaps=-SHSTK",
                                          "process %d runs with shadow stacks", (int)pid);
        }
        return 0;
}

int hb_inject_new(pid_t pid, hb_inject **ret, struct hb_err *e) {
        hb_inject *i = calloc(1, sizeof *i);
        int r;

        if (!i)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        i->pid = pid;
        r = check_process(pid, &i->options, e);
        if (r == 0)
                r = hb_gadgets_find(pid, &i->gadgets, e);
        if (r < 0) {
                free(i);
                return r;
        }
        *ret = i;
        return 0;
}

hb_inject *hb_inject_free(hb_inject *i) {
        free(i);
        return NULL;
}
