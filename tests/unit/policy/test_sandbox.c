/* Hostile policies: every file in hostile/ says on its first line how it must end ("-- expect: ETIME text of
 * the message"), and none may keep the thread for longer than its deadline and a little, hurt the host, or
 * outlive its state. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "policy_fixture.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define DEADLINE_MS 20.0
#define OVERRUN_MS                                                                                           \
        10.0 /* of CPU time, so a busy machine does not matter; a debug build under sanitizers gets five     \
                times that */

static const struct hb_plugin_limits limits = {.memory_bytes = 64u << 20, .deadline_ns = 20000000, .seed = 1};
static const char good[] = "local p = { api = 1, kind = 'scorer', name = 'p', version = '1' }\n"
                           "function p:score(pages) return pages.read_heat * 2 end\nreturn p\n";

static char *read_all(const char *path, size_t *ret_size) {
        FILE *file = fopen(path, "re");
        char *text = calloc(1, HB_POLICY_SOURCE_MAX);

        assert_non_null(file);
        assert_non_null(text);
        *ret_size = fread(text, 1, HB_POLICY_SOURCE_MAX - 1, file);
        fclose(file);
        return text;
}

static void parse_expectation(const char *text, int *ret_code, char *ret_why, size_t size) {
        char name[32];

        if (sscanf(text, "-- expect: %31s", name) != 1)
                fail_msg("no expectation on the first line: %.40s", text);
        *ret_code = strcmp(name, "OK") ? hb_errno_from_name(name) : 0;
        text += strlen("-- expect: ") + strlen(name);
        while (*text == ' ')
                text++;
        snprintf(ret_why, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static double overrun_ms(const char *message) {
        const char *p = strstr(message, "stopped after ");
        double took, deadline;

        assert_non_null(p);
        assert_int_equal(sscanf(p, "stopped after %lf ms, its deadline is %lf ms", &took, &deadline), 2);
        return took - deadline;
}

/* The guard and the thread are as good as new: another policy runs. */
static void check_survivor(struct fixture *f) {
        assert_int_equal(fixture_load_text(f, HB_POLICY_SCORER, good, strlen(good), &limits), 0);
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->out[0][7] == 2 * f->columns[0][7]);
}

static double try_one(struct fixture *f, const char *path) {
        struct hb_plugin_limits l = limits;
        char why[256], *text;
        double late = 0;
        size_t size;
        int want, rc;

        text = read_all(path, &size);
        parse_expectation(text, &want, why, sizeof why);
        if (want == -ENOMEM) { /* so that memory ends before time does */
                l.memory_bytes = 4u << 20;
                l.deadline_ns *= 50;
        }
        rc = fixture_load_text(f, HB_POLICY_SCORER, text, size, &l);
        if (rc != want || (rc < 0 && !strstr(f->message, why)))
                fail_msg("%s: %s '%s', expected %s '%s'", path, hb_errno_name(rc), f->message,
                         hb_errno_name(want), why);
        for (const char *c = f->message; *c; c++)
                assert_true((unsigned char)*c >= 32 && *c != 127);
        if (rc == -ETIME)
                late = overrun_ms(f->message);
        free(text);
        check_survivor(f);
        return late;
}

static void test_hostile_policies(void **state) {
        struct fixture *f = fixture_new();
        struct dirent **files;
        char path[512], worst_name[256] = "none";
        double worst = 0, late;
        int n = scandir(HB_SOURCE_DIR "/tests/unit/policy/hostile", &files, NULL, alphasort), tried = 0;

        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                if (strstr(files[i]->d_name, ".lua")) {
                        snprintf(path, sizeof path, HB_SOURCE_DIR "/tests/unit/policy/hostile/%s",
                                 files[i]->d_name);
                        late = try_one(f, path);
                        tried++;
                        if (late > worst) {
                                worst = late;
                                snprintf(worst_name, sizeof worst_name, "%s", files[i]->d_name);
                        }
                }
                free(files[i]);
        }
        free(files);
        print_message("%d hostile policies; worst overrun of a deadline %.2f ms of CPU time (%s)\n", tried,
                      worst, worst_name);
        assert_true(tried >= 60);
        assert_true(worst <= OVERRUN_MS * 5);
        fixture_free(f);
}

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
        static const char *const files[] = {"loop_bare",       "loop_pcall",   "loop_pcall_deep",
                                            "loop_metamethod", "loop_vectors", "loop_close_after_deadline"};
        struct fixture *f = fixture_new();
        char path[512];

        hb_guard_free(f->guard);
        hb_fault_arm("policy.signal=fail");
        assert_int_equal(hb_guard_new(&f->guard), 0);
        hb_fault_disarm();
        assert_true(hb_guard_polled(f->guard));
        for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, HB_SOURCE_DIR "/tests/unit/policy/hostile/%s.lua", files[i]);
                assert_true(try_one(f, path) < OVERRUN_MS * 5);
        }
        fixture_free(f);
}

static void *run_in_thread(void *arg) {
        sigset_t all;

        sigfillset(&all); /* as a worker of a daemon would have it */
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        try_one(arg, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_pcall.lua");
        pthread_sigmask(SIG_SETMASK, NULL, &all);
        assert_true(sigismember(&all, HB_GUARD_SIGNAL));
        return NULL;
}

static void test_other_thread(void **state) {
        struct fixture *f = fixture_new();
        pthread_t thread;

        check_survivor(f);
        assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        try_one(f, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_bare.lua");
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
        try_one(f, HB_SOURCE_DIR "/tests/unit/policy/hostile/loop_bare.lua");
        assert_int_equal(sigaction(HB_GUARD_SIGNAL, &before, &now), 0);
        assert_true(now.sa_handler == ours);
        fixture_free(f);
}

/* A stranger's signal with the right number does nothing, during a call or outside one. */
static void test_strangers_signal(void **state) {
        struct fixture *f = fixture_new();

        check_survivor(f);
        if (hb_guard_polled(f->guard)) { /* no handler, no question (ThreadSanitizer) */
                fixture_free(f);
                print_message("the guard polls under ThreadSanitizer and has no signal to be mistaken for\n");
                skip();
        }
        raise(HB_GUARD_SIGNAL);
        sigqueue(getpid(), HB_GUARD_SIGNAL, (union sigval){.sival_ptr = f});
        check_survivor(f);
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
                if (fixture_load_text(f, HB_POLICY_SCORER, good, strlen(good), &small) < 0)
                        refused++;
                else if (fixture_run(f) < 0)
                        refused++;
                rounds++;
        }
        hb_fault_disarm();
        print_message("%u rounds, %u refused\n", rounds, refused);
        assert_true(rounds > 100 && refused > 50);
        check_survivor(f);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hostile_policies),
                cmocka_unit_test(test_bytecode),
                cmocka_unit_test(test_without_signal),
                cmocka_unit_test(test_other_thread),
                cmocka_unit_test(test_strangers_signal),
                cmocka_unit_test(test_every_allocation_fails_once),
                cmocka_unit_test(test_signal_of_others_is_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
