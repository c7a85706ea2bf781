/* The sandbox's edges: signals, threads, allocations that fail. What hostile policies try is
 * test_hostile.c's.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "hostile.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static const struct hb_plugin_limits limits = {
        .memory_bytes = 64u << 20, .deadline_ns = FIXTURE_DEADLINE_NS, .seed = 1};

static void test_bytecode(void **state) {
        static const char bytes[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08xV";
        struct fixture *f = fixture_new();

        assert_int_equal(fixture_load_text(f, HB_POLICY_SCORER, bytes, sizeof bytes, &limits), -EINVAL);
        assert_non_null(strstr(f->message, "attempt to load a binary chunk"));
        fixture_free(f);
}

/* The same deadlines hold where no signal can be had, and in a thread that is not the one that made the
 * guard. */
static void test_without_signal(void **state) {
        static const char *const files[] = {"loop_bare",       "loop_pcall",    "loop_pcall_deep",
                                            "loop_metamethod", "loop_vectors",  "log_loop",
                                            "model_loop",      "active_loop",   "around_loop",
                                            "spread_bomb",     "gather_loop",   "topk_loop",
                                            "scatter_loop",    "quantile_loop", "segment_loop",
                                            "save_loop",       "observe_loop",  "loop_close_after_deadline"};
        struct fixture *f = fixture_new();
        char path[512];

        hb_guard_free(f->guard);
        hb_fault_arm("policy.signal=fail");
        assert_int_equal(hb_guard_new(&f->guard), 0);
        hb_fault_disarm();
        assert_true(hb_guard_polled(f->guard));
        for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, HB_SOURCE_DIR "/tests/unit/policy/hostile/%s.lua", files[i]);
                assert_true(hostile_try(f, path) < HOSTILE_OVERRUN_MS);
        }
        fixture_free(f);
}

static void *run_in_thread(void *arg) {
        sigset_t all;

        sigfillset(&all); /* as a worker of a daemon would have it */
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        hostile_try(arg, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_pcall.lua");
        pthread_sigmask(SIG_SETMASK, NULL, &all);
        assert_true(sigismember(&all, HB_GUARD_SIGNAL));
        return NULL;
}

static void test_other_thread(void **state) {
        struct fixture *f = fixture_new();
        pthread_t thread;

        hostile_check_survivor(f);
        assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        hostile_try(f, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_bare.lua");
        fixture_free(f);
}

static void ours(int sig) {
        (void)sig;
}

/* A handler somebody else installed stays, and deadlines hold without it. */
static void test_signal_of_others_is_left_alone(void **state) {
        struct sigaction before, now, theirs = {.sa_handler = ours};
        struct fixture *f;

        assert_int_equal(sigaction(HB_GUARD_SIGNAL, &theirs, &before), 0);
        f = fixture_new();
        assert_true(hb_guard_polled(f->guard));
        hostile_try(f, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_bare.lua");
        assert_int_equal(sigaction(HB_GUARD_SIGNAL, &before, &now), 0);
        assert_true(now.sa_handler == ours);
        fixture_free(f);
}

/* A stranger's signal with the right number does nothing, during a call or outside one. */
static void test_strangers_signal(void **state) {
        struct fixture *f = fixture_new();

        hostile_check_survivor(f);
        if (hb_guard_polled(f->guard)) { /* no handler, no question (ThreadSanitizer) */
                fixture_free(f);
                print_message("the guard polls under ThreadSanitizer and has no signal to be mistaken for\n");
                skip();
        }
        raise(HB_GUARD_SIGNAL);
        sigqueue(getpid(), HB_GUARD_SIGNAL, (union sigval){.sival_ptr = f});
        hostile_check_survivor(f);
        fixture_free(f);
}

/* Every allocation of a load and a call fails once: an error or success, never a crash or a leak (ASan
 * watches). */
static void test_every_allocation_fails_once(void **state) {
        struct fixture *f = fixture_new();
        struct hb_plugin_limits small = limits;
        unsigned refused = 0, rounds = 0;

        small.memory_bytes = 4 << 20;
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 64) {
                if (fixture_load_text(f, HB_POLICY_SCORER, hostile_good, strlen(hostile_good), &small) < 0)
                        refused++;
                else if (fixture_run(f) < 0)
                        refused++;
                rounds++;
        }
        hb_fault_disarm();
        print_message("%u rounds, %u refused\n", rounds, refused);
        assert_true(rounds > 100 && refused > 50);
        hostile_check_survivor(f);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytecode),
                cmocka_unit_test(test_without_signal),
                cmocka_unit_test(test_other_thread),
                cmocka_unit_test(test_strangers_signal),
                cmocka_unit_test(test_every_allocation_fails_once),
                cmocka_unit_test(test_signal_of_others_is_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
