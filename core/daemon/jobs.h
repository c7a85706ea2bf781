/* jobs: blocking work for one owner (a guest, a placement, a hand-over), done in order on a thread of its
 * own, answered on the loop.
 *
 * The argument belongs to the job from run() until done() has returned, or, when the owner is gone first,
 * until drop() has. */
#pragma once
#include "daemon/mailbox.h"

typedef struct hb_jobs hb_jobs;
struct hb_job_ops {
        int (*work)(void *arg);                       /* on the jobs' thread; may block */
        void (*done)(void *owner, void *arg, int rc); /* on the loop; rc is work's result */
        void (*drop)(void *arg); /* on the loop; frees arg; after done, or instead of it */
};
int hb_jobs_new(hb_mailbox *m, const char *name, void *owner, hb_jobs **ret);
int hb_jobs_run(hb_jobs *j, const struct hb_job_ops *ops, void *arg); /* -ENOMEM: arg was dropped */
unsigned hb_jobs_pending(const hb_jobs *j);
/* Waits for the job that runs, skips the ones that have not begun, drops every answer still on its way. */
hb_jobs *hb_jobs_free(hb_jobs *j);
/* The same without waiting: for work that touches nothing but its argument. The mailbox waits for what is
 * left when it ends. */
hb_jobs *hb_jobs_leave(hb_jobs *j);
