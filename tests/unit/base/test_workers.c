/* Workers: order, completion before free, jobs that submit, no signals, every failure while starting. */
#include "base/fault.h"
#include "base/workers.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS 2000

struct record {
        atomic_uint next;
        unsigned seen[JOBS];
};

struct job {
        struct record *record;
        unsigned number;
};

static void note(void *arg) {
        struct job *j = arg;

        j->record->seen[j->number] = atomic_fetch_add(&j->record->next, 1) + 1;
}

static void run_jobs(unsigned threads, struct record *r) {
        static struct job jobs[JOBS];
        hb_workers *w;

        memset(r, 0, sizeof(*r));
        assert_int_equal(hb_workers_new(threads, "test", &w), 0);
        for (unsigned i = 0; i < JOBS; i++) {
                jobs[i] = (struct job){.record = r, .number = i};
                assert_int_equal(hb_workers_submit(w, note, &jobs[i]), 0);
        }
        assert_null(hb_workers_free(w));
}

static void one_thread_keeps_the_order(void **state) {
        static struct record r;

        run_jobs(1, &r);
        for (unsigned i = 0; i < JOBS; i++)
                assert_int_equal(r.seen[i], i + 1);
}

static void free_waits_for_all(void **state) {
        static struct record r;

        for (unsigned threads = 2; threads <= 5; threads++) {
                run_jobs(threads, &r);
                assert_int_equal(atomic_load(&r.next), JOBS);
                for (unsigned i = 0; i < JOBS; i++)
                        assert_true(r.seen[i] > 0);
        }
}

struct meeting {
        pthread_barrier_t all;
        atomic_uint came;
};

static void meet(void *arg) {
        struct meeting *m = arg;

        pthread_barrier_wait(&m->all); /* returns only when three run at once */
        atomic_fetch_add(&m->came, 1);
}

static void threads_run_side_by_side(void **state) {
        struct meeting m = {.came = 0};
        hb_workers *w;

        pthread_barrier_init(&m.all, NULL, 3);
        assert_int_equal(hb_workers_new(3, "meet", &w), 0);
        for (int i = 0; i < 9; i++)
                assert_int_equal(hb_workers_submit(w, meet, &m), 0);
        hb_workers_free(w);
        assert_int_equal(atomic_load(&m.came), 9);
        pthread_barrier_destroy(&m.all);
}

struct chain {
        hb_workers *w;
        atomic_uint left;
};

static void link_on(void *arg) {
        struct chain *c = arg;

        if (atomic_fetch_sub(&c->left, 1) > 1)
                hb_workers_submit(c->w, link_on, c);
}

/* A job given by a job counts as given before free, also when free is already waiting. */
static void jobs_may_submit(void **state) {
        struct chain c = {.left = 100};

        assert_int_equal(hb_workers_new(2, "chain", &c.w), 0);
        assert_int_equal(hb_workers_submit(c.w, link_on, &c), 0);
        hb_workers_free(c.w);
        assert_int_equal(atomic_load(&c.left), 0);
}

struct about {
        char name[16];
        sigset_t blocked;
        pthread_t thread;
};

static void look_around(void *arg) {
        struct about *a = arg;

        prctl(PR_GET_NAME, a->name);
        pthread_sigmask(SIG_SETMASK, NULL, &a->blocked);
        a->thread = pthread_self();
}

static void threads_have_names_and_no_signals(void **state) {
        struct about a = {.name = ""};
        sigset_t mine;
        hb_workers *w;

        assert_int_equal(hb_workers_new(1, "codec", &w), 0);
        pthread_sigmask(SIG_SETMASK, NULL, &mine);
        assert_false(sigismember(&mine, SIGTERM)); /* the caller's mask is as before */
        assert_int_equal(hb_workers_submit(w, look_around, &a), 0);
        hb_workers_free(w);
        assert_false(pthread_equal(a.thread, pthread_self()));
        assert_true(sigismember(&a.blocked, SIGTERM) && sigismember(&a.blocked, SIGCHLD));
        assert_string_equal(a.name, "codec-0");
}

static void nothing_given(void **state) {
        hb_workers *w = NULL;

        assert_int_equal(hb_workers_new(4, NULL, &w), 0);
        hb_workers_free(w);
        assert_null(hb_workers_free(NULL));
        w = NULL;
        assert_int_equal(hb_workers_new(0, "x", &w), -EINVAL);
        assert_null(w);
}

static void bump(void *arg) {
        atomic_fetch_add((atomic_uint *)arg, 1);
}

static void every_failure(void **state) {
        unsigned failed = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_workers *w = NULL;
                atomic_uint ran = 0;
                int rc = hb_workers_new(3, "fail", &w);

                assert_int_equal(w != NULL, rc == 0);
                if (rc == 0) {
                        rc = hb_workers_submit(w, bump, &ran);
                        hb_workers_free(w);
                        assert_int_equal(atomic_load(&ran), rc == 0);
                }
                assert_int_equal(rc < 0, hb_fault_passed() >= n);
                failed += rc < 0;
        }
        assert_int_equal(failed, 5); /* the object, three threads, the job */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_thread_keeps_the_order),
                cmocka_unit_test(free_waits_for_all),
                cmocka_unit_test(threads_run_side_by_side),
                cmocka_unit_test(jobs_may_submit),
                cmocka_unit_test(threads_have_names_and_no_signals),
                cmocka_unit_test(nothing_given),
                cmocka_unit_test(every_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
