/* crew: every member is joined exactly once: when a later add finds it finished, or at fini. A finished
 * thread waits for nobody, so joining it does not block. A member's own thread may call add (never joining
 * itself: it has not finished). */
#include "transport/crew.h"
#include "base/fault.h"
#include <errno.h>
#include <signal.h>

void hb_crew_init(struct hb_crew *c, void (*run)(struct hb_crew_member *m),
                  void (*release)(struct hb_crew_member *m)) {
        *c = (struct hb_crew){.run = run, .release = release};
        pthread_mutex_init(&c->lock, NULL);
}

static void *thread_main(void *arg) {
        struct hb_crew_member *m = arg;
        struct hb_crew *c = m->crew;

        c->run(m);
        pthread_mutex_lock(&c->lock);
        m->finished = true;
        pthread_mutex_unlock(&c->lock);
        return NULL;
}

static int start(struct hb_crew_member *m) {
        sigset_t all, before;
        int rc;

        sigfillset(&all); /* signals are the program's main thread's business */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = hb_fault("crew.thread") ? EAGAIN : pthread_create(&m->thread, NULL, thread_main, m);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -rc;
}

/* Takes one member out: a finished one, or any when `all`. */
static struct hb_crew_member *take(struct hb_crew *c, bool all) {
        struct hb_crew_member **at, *m = NULL;

        pthread_mutex_lock(&c->lock);
        for (at = &c->members; *at; at = &(*at)->next)
                if (all || (*at)->finished) {
                        m = *at;
                        *at = m->next;
                        break;
                }
        pthread_mutex_unlock(&c->lock);
        return m;
}

static void join_some(struct hb_crew *c, bool all) {
        struct hb_crew_member *m;

        while ((m = take(c, all))) {
                pthread_join(m->thread, NULL);
                c->release(m);
        }
}

int hb_crew_add(struct hb_crew *c, struct hb_crew_member *m) {
        int rc = -ESHUTDOWN;

        join_some(c, false);
        m->crew = c;
        m->finished = false;
        pthread_mutex_lock(&c->lock);
        if (!c->closed)
                rc = start(m);
        if (rc == 0) {
                m->next = c->members;
                c->members = m;
        }
        pthread_mutex_unlock(&c->lock);
        return rc;
}

void hb_crew_close(struct hb_crew *c) {
        pthread_mutex_lock(&c->lock);
        c->closed = true;
        pthread_mutex_unlock(&c->lock);
}

void hb_crew_fini(struct hb_crew *c) {
        hb_crew_close(c);
        join_some(c, true);
        pthread_mutex_destroy(&c->lock);
}
