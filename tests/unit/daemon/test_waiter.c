/* Those who wait for a placement to become ready: answered once each, whatever comes first. The placement and
 * the requests are made here; the loop is real. */
#include "check.h"
#include "daemon/waiter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hb_request { /* in place of the control server's */
        unsigned ok, failed, progress;
        bool gone;
        struct hb_err err;
};

void hb_request_ok(hb_request *r, json_t *result) {
        r->ok++;
        json_decref(result);
}

void hb_request_fail(hb_request *r, const struct hb_err *e) {
        r->failed++;
        r->err = *e;
}

void hb_request_progress(hb_request *r, json_t *p) {
        r->progress++;
        json_decref(p);
}

bool hb_request_alive(const hb_request *r) {
        return !r->gone;
}

json_t *hb_outgoing_json(const struct hb_outgoing *p) {
        return json_object();
}

struct world {
        hb_daemon d;
        struct hb_guest g;
        struct hb_outgoing p;
        hb_request r[80];
};

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof *w);
        w->d.base = event_base_new();
        w->g.d = w->p.d = &w->d;
        w->p.g = &w->g;
        snprintf(w->g.name, sizeof w->g.name, "g");
        snprintf(w->p.host, sizeof w->p.host, "b");
        w->p.state = HB_OUT_OPEN;
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;
        struct hb_err e;
        hb_err_set(&e, -ECANCELED, "g", NULL, "over");
        hb_waiters_failed(&w->p, &e);
        assert_null(w->p.waiters);
        for (unsigned i = 0; i < sizeof w->r / sizeof *w->r; i++)
                assert_true(w->r[i].ok + w->r[i].failed <= 1);
        event_base_free(w->d.base);
        free(w);
        return 0;
}

static void ready(struct world *w) {
        w->p.have_report = true;
        w->p.report.ready = 1;
        hb_waiters_check(&w->p);
}

static void answered_when_it_is_ready(void **state) {
        struct world *w = *state;
        hb_outgoing_wait(&w->p, &w->r[0], 0);
        hb_outgoing_wait(&w->p, &w->r[1], 100);
        hb_waiters_check(&w->p); /* nothing has come yet */
        w->p.have_report = true;
        hb_waiters_check(&w->p); /* a report that does not say so */
        assert_int_equal(w->r[0].ok + w->r[1].ok, 0);
        ready(w);
        assert_int_equal(w->r[0].ok, 1);
        assert_int_equal(w->r[1].ok, 1);
        assert_null(w->p.waiters);
}

static void answered_at_once_when_it_is_ready_already(void **state) {
        struct world *w = *state;
        ready(w);
        hb_outgoing_wait(&w->p, &w->r[0], 5);
        assert_int_equal(w->r[0].ok, 1);
        w->p.state = HB_OUT_LOST; /* what the last report said is old then */
        hb_outgoing_wait(&w->p, &w->r[1], 5);
        assert_int_equal(w->r[1].ok, 0);
}

static void fails_when_its_time_is_over(void **state) {
        struct world *w = *state;
        hb_outgoing_wait(&w->p, &w->r[0], 0.01);
        hb_outgoing_wait(&w->p, &w->r[1], 0);
        while (w->r[0].failed == 0)
                event_base_loop(w->d.base, EVLOOP_ONCE);
        assert_int_equal(w->r[0].err.code, -ETIMEDOUT);
        assert_int_equal(w->r[1].failed, 0);
        ready(w);
        assert_int_equal(w->r[1].ok, 1);
}

static void a_lost_session_is_no_failure_but_a_refusal_is(void **state) {
        struct world *w = *state;
        struct hb_err e;
        hb_outgoing_wait(&w->p, &w->r[0], 0);
        hb_err_set(&e, -ECONNRESET, "b", NULL, "lost");
        hb_waiters_failed(&w->p, &e);
        assert_int_equal(w->r[0].failed, 0);
        hb_err_set(&e, -EACCES, "b", NULL, "may not");
        hb_waiters_failed(&w->p, &e);
        assert_int_equal(w->r[0].failed, 1);
        assert_int_equal(w->r[0].err.code, -EACCES);
}

static void progress_comes_while_somebody_listens(void **state) {
        struct world *w = *state;
        hb_outgoing_wait(&w->p, &w->r[0], 0);
        hb_outgoing_wait(&w->p, &w->r[1], 0);
        w->r[1].gone = true;
        while (w->r[0].progress == 0 || w->r[1].failed == 0)
                event_base_loop(w->d.base, EVLOOP_ONCE);
        assert_int_equal(w->r[1].progress, 0); /* given up instead: nobody is there to be answered */
        assert_non_null(w->p.waiters);
}

static void no_more_than_a_few_may_wait(void **state) {
        struct world *w = *state;
        unsigned failed = 0;
        for (unsigned i = 0; i < 80; i++) {
                hb_outgoing_wait(&w->p, &w->r[i], 0);
                failed += w->r[i].failed;
        }
        assert_int_equal(failed, 80 - 64);
        assert_int_equal(w->r[79].err.code, -EBUSY);
        ready(w);
        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(w->r[i].ok, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(answered_when_it_is_ready),
                CASE(answered_at_once_when_it_is_ready_already),
                CASE(fails_when_its_time_is_over),
                CASE(a_lost_session_is_no_failure_but_a_refusal_is),
                CASE(progress_comes_while_somebody_listens),
                CASE(no_more_than_a_few_may_wait),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
