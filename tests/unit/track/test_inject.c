/* inject: a system call made inside another process leaves no trace, whatever that process was doing, and
 * whenever we die. */
#include "base/clock.h"
#include "base/fault.h"
#include "track/inject.h"
#include "track/ptrace_thread.h"
#include "track_child.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct tc child;

static int start(void **state) {
        memset(&child, 0, sizeof child);
        return tc_add(&child, -1, 1 << 20) || tc_start(&child);
}

static int stop(void **state) {
        hb_fault_disarm();
        tc_stop(&child);
        return 0;
}

static long inject(pid_t pid, long nr, uint64_t a0, uint64_t a1, uint64_t a2) {
        struct hb_inject_call c = {.nr = nr, .arg = {a0, a1, a2}};
        struct hb_err e = {0};
        uint64_t ns = 0;
        hb_inject *i = NULL;

        if (hb_inject_new(pid, &i, &e) < 0 || hb_inject_run(i, &c, 1, &ns, &e) < 0) {
                hb_inject_free(i);
                print_message("inject: %s; %s\n", e.what, e.next);
                return e.code;
        }
        hb_inject_free(i);
        assert_true(ns > 0 && ns < 1000000000);
        return c.result;
}

static char state_of(pid_t pid) {
        char path[64], text[512] = "";
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        f = fopen(path, "r");
        assert_non_null(f);
        assert_non_null(fgets(text, sizeof text, f));
        fclose(f);
        return strrchr(text, ')')[2];
}

static void test_result_is_the_targets_own(void **state) {
        assert_int_equal(inject(child.pid, SYS_getpid, 0, 0, 0), child.pid);
        assert_int_equal(inject(child.pid, SYS_close, 12345, 0, 0), -EBADF);
        assert_int_equal(tc_call(&child, TC_PING, 0, 0, 0, 0), 0);
}

static void test_several_calls_in_one_stop(void **state) {
        struct hb_inject_call c[3] = {{.nr = SYS_getpid}, {.nr = SYS_dup, .arg = {1}}, {.nr = SYS_getppid}};
        hb_inject *i;

        assert_int_equal(hb_inject_new(child.pid, &i, NULL), 0);
        assert_int_equal(hb_inject_run(i, c, 3, NULL, NULL), 0);
        assert_int_equal(c[0].result, child.pid);
        assert_true(c[1].result > 2);
        assert_int_equal(c[2].result, getpid());
        c[0] = (struct hb_inject_call){.nr = SYS_close, .arg = {(uint64_t)c[1].result}};
        assert_int_equal(hb_inject_run(i, c, 1, NULL, NULL), 0);
        assert_int_equal(c[0].result, 0);
        hb_inject_free(i);
}

/* A process asleep in each kind of system call that restarts in its own way must sleep on, not fail with
 * EINTR. */
static void sleeper(const char *how) {
        struct timespec ts = {.tv_nsec = 300000000}, at;
        int p[2];
        char c;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pipe(p))
                _exit(9);
        if (strcmp(how, "nanosleep") == 0)
                _exit(nanosleep(&ts, NULL) ? 1 : 0);
        if (strcmp(how, "clock_nanosleep") == 0) {
                clock_gettime(CLOCK_MONOTONIC, &at);
                at.tv_nsec += 300000000;
                if (at.tv_nsec >= 1000000000)
                        at.tv_sec++, at.tv_nsec -= 1000000000;
                _exit(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) ? 1 : 0);
        }
        if (strcmp(how, "read") == 0) {
                if (fork() == 0) {
                        nanosleep(&ts, NULL);
                        _exit(write(p[1], "x", 1) != 1);
                }
                _exit(read(p[0], &c, 1) == 1 && c == 'x' ? 0 : 1);
        }
        if (strcmp(how, "select") == 0) {
                struct timeval tv = {.tv_usec = 300000};
                fd_set set;

                FD_ZERO(&set);
                FD_SET(p[0], &set);
                _exit(select(p[0] + 1, &set, NULL, NULL, &tv) == 0 ? 0 : 1);
        }
        for (volatile uint64_t i = 0, sum = 0;; i++) { /* "compute" */
                struct timespec now;

                sum += i;
                if (i % 100000 == 0 && clock_gettime(CLOCK_MONOTONIC, &now) == 0 && i > 30000000)
                        _exit(sum == i * (i + 1) / 2 ? 0 : 1);
        }
}

static void test_interrupted_calls_go_on(void **state) {
        static const char *const hows[] = {"nanosleep", "clock_nanosleep", "read", "select", "compute"};

        for (unsigned h = 0; h < sizeof hows / sizeof *hows; h++) {
                pid_t pid = fork();
                int status, n = 0;

                if (pid == 0)
                        sleeper(hows[h]);
                while (waitpid(pid, &status, WNOHANG) == 0) {
                        struct hb_inject_call c = {.nr = SYS_getpid};
                        hb_inject *i;

                        if (hb_inject_new(pid, &i, NULL) < 0)
                                continue;
                        if (hb_inject_run(i, &c, 1, NULL, NULL) == 0) {
                                assert_int_equal(c.result, pid);
                                n++;
                        }
                        hb_inject_free(i);
                }
                assert_true(WIFEXITED(status));
                if (WEXITSTATUS(status))
                        fail_msg("%s was disturbed (exit %d) by %d injections", hows[h], WEXITSTATUS(status),
                                 n);
                assert_true(n > 0);
        }
}

static volatile sig_atomic_t usr1_seen;
static void on_usr1(int sig) {
        usr1_seen++;
}

/* Signals sent all the while arrive, each of the counted ones exactly once. */
static void test_signals_are_kept(void **state) {
        const int rounds = 300;
        int p[2];
        pid_t pid;
        char c;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
                struct sigaction sa = {.sa_handler = on_usr1};
                sigset_t block, old;
                int signals = 0;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                sigaction(SIGRTMIN, &sa, NULL);
                sigemptyset(&block);
                sigaddset(&block, SIGRTMIN);
                sigprocmask(SIG_BLOCK, &block, &old);
                if (write(p[1], "r", 1) != 1)
                        _exit(9);
                /* Each suspend ends with at least one queued signal handled: none may be lost, or this hangs.
                 */
                while (usr1_seen < rounds) {
                        sigsuspend(&old);
                        signals++;
                }
                _exit(usr1_seen == rounds && signals <= rounds ? 0 : 1);
        }
        assert_int_equal(read(p[0], &c, 1), 1);
        hb_inject *i;
        assert_int_equal(hb_inject_new(pid, &i, NULL), 0);
        for (int k = 0; k < rounds; k++) {
                struct hb_inject_call call = {.nr = SYS_getpid};

                assert_int_equal(kill(pid, SIGRTMIN), 0);
                if (k % 3 == 0 && hb_inject_run(i, &call, 1, NULL, NULL) == 0)
                        assert_int_equal(call.result, pid);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        hb_inject_free(i);
        close(p[0]);
        close(p[1]);
}

static void test_many_threads(void **state) {
        assert_int_equal(tc_call(&child, TC_THREADS, 0, 0, 20, 3), 0);
        for (int i = 0; i < 200; i++)
                assert_int_equal(inject(child.pid, SYS_getpid, 0, 0, 0), child.pid);
        assert_int_equal(tc_call(&child, TC_CHECK, 0, 0, 0, 0), 0);
}

static void test_stopped_process_stays_stopped(void **state) {
        assert_int_equal(kill(child.pid, SIGSTOP), 0);
        while (state_of(child.pid) != 'T')
                sched_yield();
        assert_int_equal(inject(child.pid, SYS_getpid, 0, 0, 0), child.pid);
        for (int i = 0; i < 1000 && state_of(child.pid) != 'T'; i++)
                sched_yield();
        assert_int_equal(state_of(child.pid), 'T');
        assert_int_equal(kill(child.pid, SIGCONT), 0);
        assert_int_equal(tc_call(&child, TC_PING, 0, 0, 0, 0), 0);
}

/* We give up in the middle of a call, with the registers still ours: the frame alone brings the thread back.
 */
static void test_abandoned_midway(void **state) {
        assert_int_equal(tc_call(&child, TC_THREADS, 0, 0, 0, 2), 0);
        for (int i = 0; i < 50; i++) {
                struct hb_inject_call c = {.nr = SYS_getppid};
                hb_inject *j;

                assert_int_equal(hb_inject_new(child.pid, &j, NULL), 0);
                hb_fault_arm("track.inject.midway=fail");
                assert_int_equal(hb_inject_run(j, &c, 1, NULL, NULL), -EIO);
                hb_fault_disarm();
                hb_inject_free(j);
                assert_int_equal(tc_call(&child, TC_PING, 0, 0, 0, 0), 0);
        }
        assert_int_equal(tc_call(&child, TC_CHECK, 0, 0, 0, 0), 0);
}

/* kill -9 of the injecting process at random instants. */
static void test_killed_at_any_instant(void **state) {
        uint64_t seed = 42;

        assert_int_equal(tc_call(&child, TC_THREADS, 0, 0, 2, 2), 0);
        for (int round = 0; round < 150; round++) {
                pid_t agent = fork();

                if (agent == 0) {
                        hb_inject *i;

                        if (hb_inject_new(child.pid, &i, NULL) < 0)
                                _exit(1);
                        for (;;) {
                                struct hb_inject_call c = {.nr = SYS_getpid};

                                if (hb_inject_run(i, &c, 1, NULL, NULL) == 0 && c.result != child.pid)
                                        _exit(2);
                        }
                }
                hb_sleep_ns(2000000 + tc_random(&seed) % 3000000);
                kill(agent, SIGKILL);
                int status;
                assert_int_equal(waitpid(agent, &status, 0), agent);
                assert_true(WIFSIGNALED(status));
                assert_int_equal(tc_call(&child, TC_PING, 0, 0, 0, 0), 0);
        }
        assert_true(tc_get(child.shared->rounds) > 0);
        assert_int_equal(tc_call(&child, TC_CHECK, 0, 0, 0, 0), 0);
        assert_int_equal(waitpid(child.pid, NULL, WNOHANG), 0);
}

static void test_gone_process(void **state) {
        hb_inject *i;
        struct hb_inject_call c = {.nr = SYS_getpid};
        struct hb_err e;

        assert_int_equal(hb_inject_new(child.pid, &i, NULL), 0);
        kill(child.pid, SIGKILL);
        while (state_of(child.pid) != 'Z')
                sched_yield();
        int r = hb_inject_run(i, &c, 1, NULL, &e);
        assert_int_equal(r, -ESRCH);
        assert_int_equal(e.code, -ESRCH);
        hb_inject_free(i);
        waitpid(child.pid, NULL, 0);
        child.pid = 0;
        assert_int_equal(hb_inject_new(999999999, &i, &e), -ESRCH);
}

static void test_under_a_debugger(void **state) {
        hb_inject *i;
        struct hb_inject_call c = {.nr = SYS_getpid};
        struct hb_err e;
        int p[2], q[2];
        char b;
        pid_t debugger;

        assert_int_equal(pipe(p) | pipe(q), 0);
        assert_int_equal(hb_inject_new(child.pid, &i, NULL), 0);
        debugger = fork();
        if (debugger == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                pid_t tids[64];
                int n = hb_list_threads(child.pid, tids, 64);

                b = n > 0 ? 'y' : 'n';
                for (int k = 0; k < n; k++) /* a sanitizer's process has threads of its own */
                        if (ptrace(PTRACE_SEIZE, tids[k], NULL, NULL) < 0)
                                b = 'n';
                if (write(p[1], &b, 1) == 1 && read(q[0], &b, 1) >= 0)
                        _exit(0);
        }
        assert_int_equal(read(p[0], &b, 1), 1);
        assert_int_equal(b, 'y');
        assert_int_equal(hb_inject_run(i, &c, 1, NULL, &e), -EBUSY);
        assert_non_null(strstr(e.next, "debugger"));
        assert_int_equal(write(q[1], "x", 1), 1);
        waitpid(debugger, NULL, 0);
        assert_int_equal(hb_inject_run(i, &c, 1, NULL, &e), 0);
        hb_inject_free(i);
        close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

/* A filter that kills for the very call we make: it is suspended for us, or we are refused; the process
 * lives. */
static void test_seccomp(void **state) {
        static struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog prog = {.len = sizeof code / sizeof *code, .filter = code};
        struct hb_inject_call call = {.nr = SYS_getppid};
        struct hb_err e = {0};
        hb_inject *i;
        int p[2], status, r;
        pid_t pid;
        char c;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) || write(p[1], "x", 1) != 1)
                        _exit(9);
                for (;;)
                        pause();
        }
        assert_int_equal(read(p[0], &c, 1), 1);
        assert_int_equal(hb_inject_new(pid, &i, &e), 0);
        for (int k = 0; k < 20; k++) {
                r = hb_inject_run(i, &call, 1, NULL, &e);
                if (r < 0) {
                        assert_int_equal(r, -EPERM);
                        assert_non_null(strstr(e.what, "seccomp"));
                } else
                        assert_int_equal(call.result, getpid());
        }
        hb_inject_free(i);
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        close(p[0]);
        close(p[1]);
}

static void test_forbidden(void **state) {
        pid_t pid = fork();
        int status;

        if (geteuid() != 0)
                skip();
        if (pid == 0) {
                struct hb_err e = {0};
                hb_inject *i = NULL;

                if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
                        _exit(9);
                _exit(hb_inject_new(child.pid, &i, &e) == -EPERM && strstr(e.next, "CAP_SYS_PTRACE") ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_result_is_the_targets_own, start, stop),
                cmocka_unit_test_setup_teardown(test_several_calls_in_one_stop, start, stop),
                cmocka_unit_test_setup_teardown(test_interrupted_calls_go_on, start, stop),
                cmocka_unit_test_setup_teardown(test_signals_are_kept, start, stop),
                cmocka_unit_test_setup_teardown(test_many_threads, start, stop),
                cmocka_unit_test_setup_teardown(test_stopped_process_stays_stopped, start, stop),
                cmocka_unit_test_setup_teardown(test_abandoned_midway, start, stop),
                cmocka_unit_test_setup_teardown(test_killed_at_any_instant, start, stop),
                cmocka_unit_test_setup_teardown(test_gone_process, start, stop),
                cmocka_unit_test_setup_teardown(test_under_a_debugger, start, stop),
                cmocka_unit_test_setup_teardown(test_seccomp, start, stop),
                cmocka_unit_test_setup_teardown(test_forbidden, start, stop),
        };

        return cmocka_run_group_tests_name("inject", tests, NULL, NULL);
}
