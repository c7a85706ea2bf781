/* teacher: one thread goes round the pupils that have lessons waiting.
 *
 * Invariant: a pupil is idle, or its lessons are with the thread, or its mail is on the way to the loop;
 * never two of these. Only the thread touches a tutor, only the loop frees a pupil: one that goes while it is
 * not idle is freed by its mail. Everything else is under the lock, which is never held while training. */
#include "daemon/teacher.h"
#include "base/clock.h"
#include "base/fault.h"
#include "nn/tutor.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOWEST_NICE 19

struct hb_pupil {
        struct hb_mail mail;
        hb_teacher *teacher;
        hb_pupil *next;
        char *model, *kept;
        uint64_t seed;
        unsigned steps;
        void (*learned)(void *arg, const void *data, size_t size);
        void *arg;
        struct hb_model_lesson *waiting[HB_PUPIL_LESSONS];
        unsigned nwaiting;
        bool busy, gone;
        struct hb_pupil_status status;
        /* with the thread while busy, else with the loop */
        hb_tutor *tutor;
        struct hb_buf weights;
        bool fresh; /* weights that the loop has not seen */
};

struct hb_teacher {
        hb_mailbox *mailbox;
        pthread_t thread;
        bool started, ending;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        hb_pupil *pupils;
};

/* ---- the thread ---- */

static hb_pupil *next_to_teach(hb_teacher *t) {
        hb_pupil *p, **at = &t->pupils;

        while (*at && ((*at)->busy || (*at)->gone || (*at)->nwaiting == 0))
                at = &(*at)->next;
        p = *at;
        if (!p)
                return NULL;
        *at = p->next; /* to the end: others come first next time */
        while (*at)
                at = &(*at)->next;
        *at = p;
        p->next = NULL;
        return p;
}

static int make_tutor(hb_pupil *p, struct hb_err *e) {
        struct hb_tutor_options o = {.steps = p->steps, .trainer.seed = p->seed};
        hb_model *m = NULL;
        int rc = p->kept ? hb_model_read(p->kept, &m, NULL) : -ENOENT;

        if (rc < 0) /* nothing was kept, or nothing that can be used */
                rc = hb_model_read(p->model, &m, e);
        if (rc == 0) {
                rc = hb_tutor_new(m, &o, &p->tutor);
                if (rc < 0)
                        hb_err_set(e, rc, NULL, NULL, "no memory to train a model");
        }
        hb_model_free(m);
        return rc;
}

static void teach(hb_pupil *p, struct hb_model_lesson **lessons, unsigned n, struct hb_err *e) {
        int rc = p->tutor ? 0 : make_tutor(p, e);

        for (unsigned i = 0; i < n; i++) {
                if (rc == 0)
                        rc = hb_tutor_teach(p->tutor, lessons[i]);
                else
                        hb_model_lesson_free(lessons[i]);
        }
        hb_buf_reset(&p->weights);
        p->fresh = rc == 0 && hb_tutor_weights(p->tutor, &p->weights) == 0 && !p->weights.failed;
}

static void on_learned(struct hb_mail *mail);

static void teach_one(hb_teacher *t, hb_pupil *p) {
        struct hb_model_lesson *lessons[HB_PUPIL_LESSONS];
        unsigned n = p->nwaiting;
        struct hb_tutor_status s = {.loss = NAN};
        struct hb_err e = {0};

        memcpy(lessons, p->waiting, n * sizeof(*lessons));
        p->nwaiting = 0;
        p->busy = true;
        pthread_mutex_unlock(&t->lock);
        teach(p, lessons, n, &e);
        if (p->tutor)
                hb_tutor_status(p->tutor, &s);
        pthread_mutex_lock(&t->lock);
        p->status.lessons = s.lessons;
        p->status.steps = s.steps;
        p->status.loss = s.loss;
        p->status.failed = s.failed;
        snprintf(p->status.error, sizeof(p->status.error), "%.159s", e.what);
        hb_mailbox_post(t->mailbox, &p->mail, on_learned);
}

static void be_lowest(void) {
        struct sched_param idle = {0};

        pthread_setname_np(pthread_self(), "hb-teacher");
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOWEST_NICE); /* of this thread alone */
        pthread_setschedparam(pthread_self(), SCHED_IDLE, &idle);
}

static void *work(void *arg) {
        hb_teacher *t = arg;

        be_lowest();
        pthread_mutex_lock(&t->lock);
        while (!t->ending) {
                hb_pupil *p = next_to_teach(t);

                if (p)
                        teach_one(t, p);
                else
                        pthread_cond_wait(&t->wake, &t->lock);
        }
        pthread_mutex_unlock(&t->lock);
        return NULL;
}

/* ---- the loop ---- */

static void pupil_end(hb_pupil *p) {
        for (unsigned i = 0; i < p->nwaiting; i++)
                hb_model_lesson_free(p->waiting[i]);
        hb_tutor_free(p->tutor);
        hb_buf_free(&p->weights);
        free(p->model);
        free(p->kept);
        free(p);
}

/* The weights as they are; nothing to keep when nothing was learned. */
static void keep(hb_pupil *p) {
        hb_model *m;

        if (!p->kept || !p->tutor || p->weights.len == 0 ||
            hb_model_decode(p->weights.data, p->weights.len, p->kept, &m, NULL) < 0)
                return;
        hb_model_write(m, p->kept, NULL); /* not kept: the next placement begins as this one did */
        hb_model_free(m);
}

static void on_learned(struct hb_mail *mail) {
        hb_pupil *p = (hb_pupil *)mail;
        hb_teacher *t = p->teacher;

        if (p->gone) { /* the teacher may be gone too */
                keep(p);
                pupil_end(p);
                return;
        }
        if (p->fresh) {
                p->status.updates++;
                p->status.updated_ns = hb_now_ns();
                p->learned(p->arg, p->weights.data, p->weights.len);
                p->fresh = false;
        }
        pthread_mutex_lock(&t->lock);
        p->busy = false;
        if (p->nwaiting > 0)
                pthread_cond_signal(&t->wake);
        pthread_mutex_unlock(&t->lock);
}

int hb_teacher_new(hb_mailbox *m, hb_teacher **ret) {
        hb_teacher *t = hb_fault("teacher.new") ? NULL : calloc(1, sizeof(*t));
        sigset_t all, before;
        int rc;

        if (!t)
                return -ENOMEM;
        t->mailbox = m;
        pthread_mutex_init(&t->lock, NULL);
        pthread_cond_init(&t->wake, NULL);
        sigfillset(&all); /* signals are the loop's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = -pthread_create(&t->thread, NULL, work, t);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        t->started = rc == 0;
        if (rc < 0) {
                hb_teacher_free(t);
                return rc;
        }
        *ret = t;
        return 0;
}

hb_teacher *hb_teacher_free(hb_teacher *t) {
        if (!t)
                return NULL;
        pthread_mutex_lock(&t->lock);
        t->ending = true;
        pthread_cond_signal(&t->wake);
        pthread_mutex_unlock(&t->lock);
        if (t->started)
                pthread_join(t->thread, NULL);
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
}

int hb_pupil_new(hb_teacher *t, const struct hb_pupil_options *o, hb_pupil **ret) {
        hb_pupil *p = hb_fault("teacher.pupil") ? NULL : calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->model = strdup(o->model);
        p->kept = o->kept ? strdup(o->kept) : NULL;
        if (!p->model || (o->kept && !p->kept)) {
                pupil_end(p);
                return -ENOMEM;
        }
        p->teacher = t;
        p->seed = o->seed;
        p->steps = o->steps;
        p->learned = o->learned;
        p->arg = o->arg;
        p->status.loss = NAN;
        pthread_mutex_lock(&t->lock);
        p->next = t->pupils;
        t->pupils = p;
        pthread_mutex_unlock(&t->lock);
        *ret = p;
        return 0;
}

hb_pupil *hb_pupil_free(hb_pupil *p) {
        hb_teacher *t;
        bool busy;

        if (!p)
                return NULL;
        t = p->teacher;
        pthread_mutex_lock(&t->lock);
        for (hb_pupil **at = &t->pupils; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        break;
                }
        p->gone = true;
        busy = p->busy;
        pthread_mutex_unlock(&t->lock);
        if (busy) /* its mail frees it */
                return NULL;
        keep(p);
        pupil_end(p);
        return NULL;
}

void hb_pupil_lesson(void *pupil, struct hb_model_lesson *l) {
        hb_pupil *p = pupil;
        hb_teacher *t = p->teacher;

        pthread_mutex_lock(&t->lock);
        if (p->nwaiting == HB_PUPIL_LESSONS) {
                hb_model_lesson_free(p->waiting[0]);
                memmove(p->waiting, p->waiting + 1, (HB_PUPIL_LESSONS - 1) * sizeof(p->waiting[0]));
                p->nwaiting--;
                p->status.dropped++;
        }
        p->waiting[p->nwaiting++] = l;
        pthread_cond_signal(&t->wake);
        pthread_mutex_unlock(&t->lock);
}

void hb_pupil_status(const hb_pupil *p, struct hb_pupil_status *ret) {
        hb_teacher *t = p->teacher;

        pthread_mutex_lock(&t->lock);
        *ret = p->status;
        pthread_mutex_unlock(&t->lock);
}
