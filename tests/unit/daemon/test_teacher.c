/* The teacher: weights come back on the loop's thread and differ; lessons that pile up push the oldest out; a
 * pupil may go at any time; what was learned is kept and begun with again; a model that is missing is told.
 */
#include "check.h"
#include "daemon/teacher.h"
#include "nn/tutor.h"
#include <event2/event.h>
#include <event2/thread.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES     64u
#define GIVE_UP_S 60

static char dir[] = "/tmp/hb-teacher-XXXXXX";

struct rig {
        struct event_base *base;
        hb_mailbox *mailbox;
        hb_teacher *teacher;
        pthread_t loop;
        unsigned learned;
        char model[100], kept[100];
        struct hb_model_info last; /* of the newest weights */
};

static void put_model(const char *path) {
        struct hb_err e;
        hb_model *m;

        assert_int_equal(hb_model_new(8, 12, 1, &m), 0);
        assert_int_equal(hb_model_write(m, path, &e), 0);
        hb_model_free(m);
}

static void rig_open(struct rig *r) {
        *r = (struct rig){.loop = pthread_self()};
        snprintf(r->model, sizeof(r->model), "%s/model.hbm", dir);
        snprintf(r->kept, sizeof(r->kept), "%s/kept.hbm", dir);
        unlink(r->kept);
        put_model(r->model);
        evthread_use_pthreads();
        r->base = event_base_new();
        assert_non_null(r->base);
        assert_int_equal(hb_mailbox_new(r->base, &r->mailbox), 0);
        assert_int_equal(hb_teacher_new(r->mailbox, &r->teacher), 0);
}

static void rig_close(struct rig *r) {
        hb_teacher_free(r->teacher);
        hb_mailbox_free(r->mailbox);
        event_base_free(r->base);
}

static void on_learned(void *arg, const void *data, size_t size) {
        struct rig *r = arg;
        hb_model *m;
        struct hb_err e;

        assert_true(pthread_equal(pthread_self(), r->loop));
        assert_int_equal(hb_model_decode(data, size, "taught", &m, &e), 0);
        hb_model_info(m, &r->last);
        hb_model_free(m);
        r->learned++;
}

static hb_pupil *pupil(struct rig *r, const char *kept) {
        struct hb_pupil_options o = {
                .model = r->model, .kept = kept, .seed = 1, .steps = 2, .learned = on_learned, .arg = r};
        hb_pupil *p;

        assert_int_equal(hb_pupil_new(r->teacher, &o, &p), 0);
        return p;
}

static struct hb_model_lesson *lesson(void) {
        struct hb_model_lesson *l = calloc(1, sizeof(*l));
        uint32_t gfn[PAGES];
        hb_history *h;

        assert_non_null(l);
        assert_int_equal(hb_history_new(PAGES, &h), 0);
        for (uint32_t i = 0; i < PAGES; i++) {
                gfn[i] = i;
                for (uint32_t w = 1 + i % 8; w < 40; w += 8)
                        assert_int_equal(hb_history_note(h, i, w, i % 2), 0);
        }
        assert_int_equal(hb_model_batch_make(h, 40, 10, gfn, PAGES, &l->batch), 0);
        l->labels = calloc(PAGES * HB_MODEL_OUT, sizeof(float));
        for (uint32_t i = 0; i < PAGES; i++)
                l->labels[i * HB_MODEL_OUT] = i % 3 == 0;
        hb_history_free(h);
        return l;
}

/* One round of the loop, or it has taken far too long. */
static void turn(struct rig *r) {
        struct timeval tv = {.tv_sec = GIVE_UP_S};

        event_base_loopexit(r->base, &tv);
        assert_true(event_base_loop(r->base, EVLOOP_ONCE) >= 0);
        assert_false(event_base_got_exit(r->base));
}

static void test_weights_come_back(void **state) {
        struct hb_pupil_status s;
        struct rig r;
        hb_pupil *p;
        char first[33];

        rig_open(&r);
        p = pupil(&r, NULL);
        hb_pupil_status(p, &s);
        assert_true(s.lessons == 0 && s.updates == 0 && isnan(s.loss) && s.updated_ns == 0);
        hb_pupil_lesson(p, lesson());
        while (r.learned < 1)
                turn(&r);
        memcpy(first, r.last.hash, sizeof(first));
        hb_pupil_lesson(p, lesson());
        while (r.learned < 2)
                turn(&r);
        assert_string_not_equal(first, r.last.hash);
        hb_pupil_status(p, &s);
        assert_true(s.lessons == 2 && s.steps == 4 && s.updates == 2 && s.dropped == 0 && !s.failed);
        assert_true(isfinite(s.loss) && s.updated_ns > 0);
        hb_pupil_free(p);
        rig_close(&r);
}

/* While its mail waits for the loop a pupil is not taught: lessons pile up, and the oldest go. */
static void test_the_oldest_go(void **state) {
        struct hb_pupil_status s;
        struct rig r;
        hb_pupil *p;

        rig_open(&r);
        p = pupil(&r, NULL);
        for (unsigned i = 0; i < 3 * HB_PUPIL_LESSONS; i++)
                hb_pupil_lesson(p, lesson());
        do {
                turn(&r);
                hb_pupil_status(p, &s);
        } while (s.lessons + s.dropped < 3 * HB_PUPIL_LESSONS);
        assert_true(s.lessons > 0 && s.dropped > 0);
        hb_pupil_free(p);
        rig_close(&r);
}

static void test_may_go_at_any_time(void **state) {
        for (unsigned i = 0; i < 8; i++) {
                struct rig r;
                hb_pupil *p, *other;

                rig_open(&r);
                p = pupil(&r, i & 1 ? r.kept : NULL);
                other = pupil(&r, NULL);
                hb_pupil_lesson(p, lesson());
                hb_pupil_lesson(other, lesson());
                if (i & 2)
                        turn(&r); /* some mail has come */
                hb_pupil_free(i & 4 ? p : other);
                hb_pupil_free(i & 4 ? other : p);
                rig_close(&r); /* with mail still on its way */
        }
}

static void test_what_was_learned_is_kept(void **state) {
        struct hb_model_info kept;
        struct hb_err e;
        struct rig r;
        hb_pupil *p;
        hb_model *m;

        rig_open(&r);
        p = pupil(&r, r.kept);
        hb_pupil_free(p);
        assert_int_equal(access(r.kept, F_OK), -1); /* nothing was learned */
        p = pupil(&r, r.kept);
        hb_pupil_lesson(p, lesson());
        while (r.learned < 1)
                turn(&r);
        hb_pupil_free(p);
        assert_int_equal(hb_model_read(r.kept, &m, &e), 0);
        hb_model_info(m, &kept);
        hb_model_free(m);
        assert_string_equal(kept.hash, r.last.hash);
        p = pupil(&r, r.kept); /* placed again */
        hb_pupil_lesson(p, lesson());
        while (r.learned < 2)
                turn(&r);
        assert_int_equal(r.last.steps, kept.steps + 2);
        hb_pupil_free(p);
        rig_close(&r);
}

static void test_a_missing_model_is_told(void **state) {
        struct hb_pupil_status s;
        struct rig r;
        hb_pupil *p;

        rig_open(&r);
        unlink(r.model);
        p = pupil(&r, NULL);
        hb_pupil_lesson(p, lesson());
        do {
                turn(&r);
                hb_pupil_status(p, &s);
        } while (!s.error[0]);
        assert_true(s.lessons == 0 && r.learned == 0);
        hb_pupil_free(p);
        rig_close(&r);
}

static int begin(void **state) {
        return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state) {
        char command[100];

        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_weights_come_back),
                cmocka_unit_test(test_the_oldest_go),
                cmocka_unit_test(test_may_go_at_any_time),
                cmocka_unit_test(test_what_was_learned_is_kept),
                cmocka_unit_test(test_a_missing_model_is_told),
        };

        return cmocka_run_group_tests(tests, begin, end);
}
