/* Mailbox and jobs: posts from many threads, owners that go away before, during and after the answer. Run
 * under TSan and ASan these are the proof that no answer reaches a dead owner and nothing is dropped twice.
 */
#include "base/fault.h"
#include "check.h"
#include "daemon/jobs.h"
#include <errno.h>
#include <event2/thread.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define POSTERS 4
#define POSTS   2000

struct world {
        struct event_base *base;
        hb_mailbox *mailbox;
};

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof *w);
        evthread_use_pthreads();
        w->base = event_base_new();
        assert_int_equal(hb_mailbox_new(w->base, &w->mailbox), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;
        hb_fault_disarm();
        hb_mailbox_free(w->mailbox);
        event_base_free(w->base);
        free(w);
        return 0;
}

/* ---- mailbox ---- */

struct numbered {
        struct hb_mail mail; /* first */
        unsigned n, *last, *seen;
};

struct poster {
        hb_mailbox *mailbox;
        unsigned last, seen;
        struct numbered mails[POSTS];
};

static void on_numbered(struct hb_mail *m) {
        struct numbered *x = (struct numbered *)m;
        assert_true(x->n == *x->last + 1); /* of one thread: in the order posted */
        *x->last = x->n;
        ++*x->seen;
}

static void *post_all(void *arg) {
        struct poster *p = arg;
        for (unsigned i = 0; i < POSTS; i++) {
                p->mails[i] = (struct numbered){.n = i + 1, .last = &p->last, .seen = &p->seen};
                hb_mailbox_post(p->mailbox, &p->mails[i].mail, on_numbered);
        }
        return NULL;
}

static void posts_of_many_threads_come_once_and_in_order(void **state) {
        struct world *w = *state;
        struct poster *p = calloc(POSTERS, sizeof *p);
        pthread_t t[POSTERS];
        for (int i = 0; i < POSTERS; i++) {
                p[i].mailbox = w->mailbox;
                assert_int_equal(pthread_create(&t[i], NULL, post_all, &p[i]), 0);
        }
        unsigned seen = 0;
        while (seen < POSTERS * POSTS) {
                event_base_loop(w->base, EVLOOP_ONCE);
                seen = 0;
                for (int i = 0; i < POSTERS; i++)
                        seen += p[i].seen;
        }
        for (int i = 0; i < POSTERS; i++) {
                pthread_join(t[i], NULL);
                assert_int_equal(p[i].seen, POSTS);
        }
        free(p);
}

struct again {
        struct hb_mail mail; /* first */
        hb_mailbox *mailbox;
        unsigned times;
};

static void post_again(struct hb_mail *m) {
        struct again *a = (struct again *)m;
        if (++a->times < 3)
                hb_mailbox_post(a->mailbox, m, post_again);
}

static void a_mail_may_be_posted_again_from_its_own_function(void **state) {
        struct world *w = *state;
        struct again a = {.mailbox = w->mailbox};
        hb_mailbox_post(w->mailbox, &a.mail, post_again);
        while (a.times < 3)
                event_base_loop(w->base, EVLOOP_ONCE);
        event_base_loop(w->base, EVLOOP_NONBLOCK);
        assert_int_equal(a.times, 3);
}

/* ---- jobs ---- */

struct owner {
        hb_jobs *jobs;
        int done[8];
        unsigned ndone;
        bool leave, free_in_done;
};

struct task {
        int number, rc;
        sem_t *begun, *go; /* NULL: does not wait */
        unsigned *dropped;
};

static int task_work(void *arg) {
        struct task *t = arg;
        if (t->begun)
                sem_post(t->begun);
        if (t->go)
                sem_wait(t->go);
        return t->rc;
}

static void task_done(void *owner, void *arg, int rc) {
        struct owner *o = owner;
        struct task *t = arg;
        assert_int_equal(rc, t->rc);
        o->done[o->ndone++] = t->number;
        if (o->free_in_done)
                o->jobs = o->leave ? hb_jobs_leave(o->jobs) : hb_jobs_free(o->jobs);
}

static void task_drop(void *arg) {
        struct task *t = arg;
        ++*t->dropped;
        free(t);
}

static const struct hb_job_ops task_ops = {task_work, task_done, task_drop};

static int run(struct owner *o, int number, sem_t *begun, sem_t *go, unsigned *dropped) {
        struct task *t = malloc(sizeof *t);
        *t = (struct task){number, number * 10, begun, go, dropped};
        return hb_jobs_run(o->jobs, &task_ops, t);
}

static void answers_come_in_order_with_their_results(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        unsigned dropped = 0;
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        for (int i = 0; i < 5; i++)
                assert_int_equal(run(&o, i, NULL, NULL, &dropped), 0);
        assert_int_equal(hb_jobs_pending(o.jobs), 5);
        while (o.ndone < 5)
                event_base_loop(w->base, EVLOOP_ONCE);
        for (int i = 0; i < 5; i++)
                assert_int_equal(o.done[i], i);
        assert_int_equal(dropped, 5);
        assert_int_equal(hb_jobs_pending(o.jobs), 0);
        hb_jobs_free(o.jobs);
}

static void free_waits_for_the_running_job_and_drops_its_answer(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        unsigned dropped = 0;
        sem_t begun;
        sem_init(&begun, 0, 0);
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        run(&o, 1, &begun, NULL, &dropped);
        run(&o, 2, NULL, NULL, &dropped);
        sem_wait(&begun);
        hb_jobs_free(o.jobs); /* both are in the mailbox now, their owner is gone */
        assert_int_equal(dropped, 0);
        event_base_loop(w->base, EVLOOP_NONBLOCK);
        assert_int_equal(dropped, 2);
        assert_int_equal(o.ndone, 0);
        sem_destroy(&begun);
}

static void an_owner_may_go_away_in_its_answer(void **state) {
        struct world *w = *state;
        for (int leave = 0; leave < 2; leave++) {
                struct owner o = {.free_in_done = true, .leave = leave};
                unsigned dropped = 0;
                assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
                for (int i = 1; i <= 3; i++)
                        run(&o, i, NULL, NULL, &dropped);
                while (dropped < 3)
                        event_base_loop(w->base, EVLOOP_ONCE);
                assert_int_equal(o.ndone, 1);
                assert_null(o.jobs);
        }
}

static void leaving_does_not_wait(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        unsigned dropped = 0;
        sem_t begun, go;
        sem_init(&begun, 0, 0);
        sem_init(&go, 0, 0);
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        run(&o, 1, &begun, &go, &dropped);
        run(&o, 2, NULL, NULL, &dropped);
        sem_wait(&begun);
        hb_jobs_leave(o.jobs); /* would never return if it waited: `go` comes after it */
        assert_int_equal(dropped, 0);
        sem_post(&go);
        while (dropped < 2)
                event_base_loop(w->base, EVLOOP_ONCE);
        assert_int_equal(o.ndone, 0);
        sem_destroy(&begun);
        sem_destroy(&go);
}

static void *let_go(void *arg) {
        sem_post(arg);
        return NULL;
}

static void the_mailbox_waits_for_those_that_were_left(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        unsigned dropped = 0;
        sem_t begun, go;
        pthread_t t;
        sem_init(&begun, 0, 0);
        sem_init(&go, 0, 0);
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        run(&o, 1, &begun, &go, &dropped);
        sem_wait(&begun);
        hb_jobs_leave(o.jobs);
        pthread_create(&t, NULL, let_go, &go);
        w->mailbox = hb_mailbox_free(w->mailbox);
        assert_int_equal(dropped, 1);
        pthread_join(t, NULL);
        sem_destroy(&begun);
        sem_destroy(&go);
}

static void leaving_an_idle_one_frees_it(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        hb_jobs_leave(o.jobs);
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        hb_jobs_free(o.jobs);
        assert_null(hb_jobs_leave(NULL));
        assert_null(hb_jobs_free(NULL));
}

static void a_job_that_cannot_be_queued_is_dropped_at_once(void **state) {
        struct world *w = *state;
        struct owner o = {0};
        unsigned dropped = 0;
        assert_int_equal(hb_jobs_new(w->mailbox, "test", &o, &o.jobs), 0);
        hb_fault_arm("workers.submit=fail");
        assert_int_equal(run(&o, 1, NULL, NULL, &dropped), -ENOMEM);
        hb_fault_disarm();
        assert_int_equal(dropped, 1);
        assert_int_equal(hb_jobs_pending(o.jobs), 0);
        hb_jobs_free(o.jobs);
        hb_fault_arm("workers.thread=fail");
        assert_true(hb_jobs_new(w->mailbox, "test", &o, &o.jobs) < 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(posts_of_many_threads_come_once_and_in_order),
                CASE(a_mail_may_be_posted_again_from_its_own_function),
                CASE(answers_come_in_order_with_their_results),
                CASE(free_waits_for_the_running_job_and_drops_its_answer),
                CASE(an_owner_may_go_away_in_its_answer),
                CASE(leaving_does_not_wait),
                CASE(the_mailbox_waits_for_those_that_were_left),
                CASE(leaving_an_idle_one_frees_it),
                CASE(a_job_that_cannot_be_queued_is_dropped_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
