/* workers: one queue, a few threads taking from its head.
 *
 * Invariant: jobs are started in the order given; with one thread they also end in it. Signals stay with the
 * thread that made the workers: they run with all of them blocked, so an event loop's handlers never run
 * here. Cost: one small allocation a job. Submit and free may be called from any one thread at a time; jobs
 * may submit. */
#include "base/workers.h"
#include "base/fault.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define THREAD_NAME_SIZE 16 /* the kernel's limit, terminator included */

struct job {
        struct job *next;
        void (*run)(void *arg);
        void *arg;
};

struct hb_workers {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct job *head, **tail;
        bool ending;
        char name[THREAD_NAME_SIZE - 3]; /* leaves room for "-99" */
        unsigned started, named;
        pthread_t threads[];
};

static struct job *take(hb_workers *w) {
        struct job *j;

        pthread_mutex_lock(&w->lock);
        while (!w->head && !w->ending)
                pthread_cond_wait(&w->wake, &w->lock);
        j = w->head;
        if (j) {
                w->head = j->next;
                if (!w->head)
                        w->tail = &w->head;
        }
        pthread_mutex_unlock(&w->lock);
        return j;
}

/* Done by the thread itself, so that no job ever runs under the program's name. */
static void take_name(hb_workers *w) {
        char full[THREAD_NAME_SIZE];
        unsigned number;

        pthread_mutex_lock(&w->lock);
        number = w->named++;
        pthread_mutex_unlock(&w->lock);
        snprintf(full, sizeof(full), "%s-%u", w->name, number % 100);
        pthread_setname_np(pthread_self(), full);
}

static void *work(void *arg) {
        struct job *j;

        take_name(arg);
        while ((j = take(arg))) {
                j->run(j->arg);
                free(j);
        }
        return NULL;
}

static int start_thread(hb_workers *w) {
        int rc;

        if (hb_fault("workers.thread"))
                return -EAGAIN;
        rc = pthread_create(&w->threads[w->started], NULL, work, w);
        if (rc != 0)
                return -rc;
        w->started++;
        return 0;
}

static int start_all(hb_workers *w, unsigned threads) {
        sigset_t all, before;
        int rc = 0;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (unsigned i = 0; i < threads && rc == 0; i++)
                rc = start_thread(w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return rc;
}

int hb_workers_new(unsigned threads, const char *name, hb_workers **ret) {
        hb_workers *w;
        int rc;

        if (threads == 0)
                return -EINVAL;
        w = hb_fault("workers.new") ? NULL : calloc(1, sizeof(*w) + threads * sizeof(pthread_t));
        if (!w)
                return -ENOMEM;
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->wake, NULL);
        w->tail = &w->head;
        snprintf(w->name, sizeof(w->name), "%s", name ? name : "hb");
        rc = start_all(w, threads);
        if (rc < 0)
                goto fail;
        *ret = w;
        return 0;
fail:
        hb_workers_free(w);
        return rc;
}

hb_workers *hb_workers_free(hb_workers *w) {
        if (!w)
                return NULL;
        pthread_mutex_lock(&w->lock);
        w->ending = true;
        pthread_cond_broadcast(&w->wake);
        pthread_mutex_unlock(&w->lock);
        for (unsigned i = 0; i < w->started; i++)
                pthread_join(w->threads[i], NULL);
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
}

int hb_workers_submit(hb_workers *w, void (*run)(void *arg), void *arg) {
        struct job *j = hb_fault("workers.submit") ? NULL : malloc(sizeof(*j));

        if (!j)
                return -ENOMEM;
        *j = (struct job){.run = run, .arg = arg};
        pthread_mutex_lock(&w->lock);
        *w->tail = j;
        w->tail = &j->next;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        return 0;
}
