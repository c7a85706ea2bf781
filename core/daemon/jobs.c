/* jobs: one worker thread an owner. The core outlives the handle until the last answer has come by, so that
 * an answer which is already in the mailbox when the owner goes finds `alive` false and is dropped. Loop
 * thread only, but for the worker's part. */
#include "daemon/jobs.h"
#include "base/workers.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct hb_jobs {
        hb_mailbox *mailbox;
        hb_workers *workers;
        void *owner;
        unsigned pending;
        bool left; /* the mailbox was promised `pending` answers */
        atomic_bool alive;
};

struct job {
        struct hb_mail mail; /* first */
        hb_jobs *jobs;
        const struct hb_job_ops *ops;
        void *arg;
        int rc;
};

static void release(hb_jobs *j) {
        if (atomic_load(&j->alive) || j->pending > 0)
                return;
        hb_workers_free(j->workers); /* idle, if there at all */
        free(j);
}

static void answer(struct hb_mail *mail) {
        struct job *job = (struct job *)mail;
        hb_jobs *j = job->jobs;
        /* done() may free the owner and with it j: `pending` holds on to it */
        if (atomic_load(&j->alive))
                job->ops->done(j->owner, job->arg, job->rc);
        if (job->ops->drop)
                job->ops->drop(job->arg);
        free(job);
        j->pending--;
        if (j->left)
                hb_mailbox_promise(j->mailbox, -1);
        release(j);
}

static void work(void *arg) {
        struct job *job = arg;
        job->rc = atomic_load(&job->jobs->alive) ? job->ops->work(job->arg) : -ECANCELED;
        hb_mailbox_post(job->jobs->mailbox, &job->mail, answer);
}

int hb_jobs_new(hb_mailbox *m, const char *name, void *owner, hb_jobs **ret) {
        hb_jobs *j = calloc(1, sizeof *j);
        if (!j)
                return -ENOMEM;
        j->mailbox = m;
        j->owner = owner;
        atomic_init(&j->alive, true);
        int r = hb_workers_new(1, name, &j->workers);
        if (r < 0) {
                free(j);
                return r;
        }
        *ret = j;
        return 0;
}

int hb_jobs_run(hb_jobs *j, const struct hb_job_ops *ops, void *arg) {
        struct job *job = calloc(1, sizeof *job);
        int r = -ENOMEM;
        if (job) {
                *job = (struct job){.jobs = j, .ops = ops, .arg = arg};
                r = hb_workers_submit(j->workers, work, job);
                if (r == 0) {
                        j->pending++;
                        return 0;
                }
                free(job);
        }
        if (ops->drop)
                ops->drop(arg);
        return r;
}

unsigned hb_jobs_pending(const hb_jobs *j) {
        return j->pending;
}

hb_jobs *hb_jobs_free(hb_jobs *j) {
        if (!j)
                return NULL;
        atomic_store(&j->alive, false);
        j->workers = hb_workers_free(j->workers);
        release(j);
        return NULL;
}

hb_jobs *hb_jobs_leave(hb_jobs *j) {
        if (!j)
                return NULL;
        atomic_store(&j->alive, false);
        j->left = true;
        hb_mailbox_promise(j->mailbox, (int)j->pending);
        release(j);
        return NULL;
}
