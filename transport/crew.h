/* crew: threads that come and go, one a connection, and must all be joined in the end. */
#pragma once
#include <pthread.h>
#include <stdbool.h>

struct hb_crew_member { /* head of the owner's object */
        struct hb_crew_member *next;
        pthread_t thread;
        bool finished; /* its thread touches nothing of ours any more */
        struct hb_crew *crew;
};
struct hb_crew {
        pthread_mutex_t lock;
        struct hb_crew_member *members;
        void (*run)(struct hb_crew_member *m);     /* the thread's work */
        void (*release)(struct hb_crew_member *m); /* after it was joined */
        bool closed;
};

void hb_crew_init(struct hb_crew *c, void (*run)(struct hb_crew_member *m),
                  void (*release)(struct hb_crew_member *m));
/* Starts a thread for m, with signals blocked (SIGPIPE too). -ESHUTDOWN after close, -EAGAIN: no thread to be
 * had; m is still the caller's then. Also joins those that have finished. */
int hb_crew_add(struct hb_crew *c, struct hb_crew_member *m);
void hb_crew_close(struct hb_crew *c); /* no more members */
void hb_crew_fini(struct hb_crew *c);  /* joins and releases all: they must have been told to end */
