/* workers: a few threads that run jobs in the order given. A job is `run` on a worker thread, and must not
 * touch anything owned by the submitting thread but through its own argument. */
#pragma once

typedef struct hb_workers hb_workers;
int hb_workers_new(unsigned threads, const char *name, hb_workers **ret);
hb_workers *hb_workers_free(hb_workers *w); /* waits for the jobs given so far; NULL allowed */
int hb_workers_submit(hb_workers *w, void (*run)(void *arg), void *arg); /* -ENOMEM */
