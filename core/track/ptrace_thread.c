/* ptrace_thread: attach, stop, let go. See the header for why a thread of its own. Stopping polls with short
 * sleeps: a ptrace stop takes 5-50 us to come, and no file descriptor announces it. */
#include "track/ptrace_thread.h"
#include "base/clock.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define SPINS 200

struct job {
        int (*fn)(void *arg);
        void *arg;
        int result;
};

static void *run_job(void *arg) {
        struct job *j = arg;

        j->result = j->fn(j->arg);
        return NULL;
}

int hb_on_tracer_thread(int (*fn)(void *arg), void *arg) {
        struct job j = {.fn = fn, .arg = arg};
        sigset_t all, old;
        pthread_t thread;
        int r;

        if (hb_fault("track.thread"))
                return -EAGAIN;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(&thread, NULL, run_job, &j);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r)
                return -r;
        pthread_join(thread, NULL);
        return j.result;
}

int hb_ptrace_seize(pid_t tid, uint64_t options) {
        if (hb_fault("track.seize"))
                return -EPERM;
        return ptrace(PTRACE_SEIZE, tid, NULL, options) < 0 ? -errno : 0;
}

/* A stopped tracee answers PTRACE_GETSIGINFO; a running one and a dead one do not. */
static bool stopped(pid_t tid, siginfo_t *info) {
        return ptrace(PTRACE_GETSIGINFO, tid, NULL, info) == 0;
}

/* Looks only (WNOWAIT): the target may be our own child, whose end belongs to whoever started it. */
static bool ended(pid_t tid) {
        siginfo_t info = {0};

        if (waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) < 0)
                return errno == ECHILD;
        /* A tracee that stops just now is reported here too, whatever was asked for. */
        return info.si_pid == tid &&
               (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED);
}

int hb_ptrace_wait(pid_t tid, uint64_t deadline_ns, enum hb_stop *ret, int *ret_signal) {
        siginfo_t info;

        for (unsigned i = 0; !stopped(tid, &info); i++) {
                if (ended(tid))
                        return -ESRCH;
                if (hb_now_ns() > deadline_ns)
                        return -ETIMEDOUT;
                if (i < SPINS)
                        sched_yield();
                else
                        hb_sleep_ns(i < 2 * SPINS ? 20000 : 1000000);
        }
        if ((unsigned)info.si_code >> 8 == PTRACE_EVENT_STOP)
                *ret = HB_STOP_EVENT;
        else if (info.si_signo == SIGTRAP && info.si_code == (SIGTRAP | 0x80))
                *ret = HB_STOP_SYSCALL;
        else
                *ret = HB_STOP_SIGNAL;
        *ret_signal = info.si_signo;
        return 0;
}

int hb_ptrace_stop(pid_t tid, uint64_t deadline_ns) {
        if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
                return -errno;
        for (;;) {
                enum hb_stop how;
                int sig, r = hb_ptrace_wait(tid, deadline_ns, &how, &sig);

                if (r < 0 || how == HB_STOP_EVENT)
                        return r;
                /* A signal came first: hand it on unchanged, the interrupt is still pending. */
                if (ptrace(PTRACE_CONT, tid, NULL, (long)(how == HB_STOP_SIGNAL ? sig : 0)) < 0)
                        return -errno;
        }
}

void hb_ptrace_detach(pid_t tid) {
        ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

int hb_list_threads(pid_t pid, pid_t *out, unsigned max) {
        char path[64];
        struct dirent *d;
        unsigned n = 0;
        DIR *dir;

        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? -ESRCH : -errno;
        while (n < max && (d = readdir(dir)))
                if (d->d_name[0] != '.')
                        out[n++] = (pid_t)atol(d->d_name);
        closedir(dir);
        return (int)n;
}

int hb_ptrace_refused(pid_t pid, struct hb_err *e) {
        uint64_t tracer = 0;
        char which[32], yama[16] = "";

        snprintf(which, sizeof which, "pid %d", (int)pid);
        if (hb_proc_status_number(pid, "TracerPid", &tracer) == 0 && tracer)
                return hb_err_set(e, -EBUSY, which, "end the debugger and try again",
                                  "process %llu is already tracing it", (unsigned long long)tracer);
        FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");

        if (f) {
                if (!fgets(yama, sizeof yama, f))
                        yama[0] = 0;
                fclose(f);
        }
        if (yama[0] >= '1')
                return hb_err_set(e, -EPERM, which,
                                  "give harbingerd CAP_SYS_PTRACE (systemd: AmbientCapabilities), or run it "
                                  "as root; with "
                                  "kernel.yama.ptrace_scope=3 nothing may trace: set it below 3 and reboot",
                                  "the kernel forbids ptrace here (kernel.yama.ptrace_scope=%c)", yama[0]);
        return hb_err_set(e, -EPERM, which, "run harbingerd as root or give it CAP_SYS_PTRACE",
                          "may not ptrace this process");
}
