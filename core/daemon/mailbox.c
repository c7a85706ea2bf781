/* mailbox: an intrusive list under a lock and an eventfd. Posting allocates nothing, so it cannot fail; a
 * burst of posts wakes the loop once. */
#include "daemon/mailbox.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct hb_mailbox {
        pthread_mutex_t lock;
        struct hb_mail *head, **tail;
        int fd;
        int promised; /* loop thread */
        struct event *ev;
};

/* False: there was nothing. */
static bool run_all(hb_mailbox *m) {
        pthread_mutex_lock(&m->lock);
        struct hb_mail *list = m->head;
        m->head = NULL;
        m->tail = &m->head;
        pthread_mutex_unlock(&m->lock);
        bool any = list != NULL;
        while (list) {
                struct hb_mail *mail = list;
                list = list->next;
                mail->fn(mail);
        }
        return any;
}

static void on_wake(evutil_socket_t fd, short what, void *arg) {
        uint64_t n;
        ssize_t r = read(fd, &n, sizeof n);
        (void)r;
        run_all(arg);
}

int hb_mailbox_new(struct event_base *base, hb_mailbox **ret) {
        hb_mailbox *m = calloc(1, sizeof *m);
        if (!m)
                return -ENOMEM;
        m->tail = &m->head;
        pthread_mutex_init(&m->lock, NULL);
        m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->fd < 0)
                goto fail;
        m->ev = event_new(base, m->fd, EV_READ | EV_PERSIST, on_wake, m);
        if (!m->ev || event_add(m->ev, NULL))
                goto fail;
        *ret = m;
        return 0;
fail:
        hb_mailbox_free(m);
        return -ENOMEM;
}

hb_mailbox *hb_mailbox_free(hb_mailbox *m) {
        if (!m)
                return NULL;
        while (run_all(m) || m->promised > 0) {
                struct pollfd p = {.fd = m->fd, .events = POLLIN};
                if (m->promised > 0 && poll(&p, 1, -1) > 0)
                        on_wake(m->fd, EV_READ, m);
        }
        if (m->ev)
                event_free(m->ev);
        if (m->fd >= 0)
                close(m->fd);
        pthread_mutex_destroy(&m->lock);
        free(m);
        return NULL;
}

void hb_mailbox_post(hb_mailbox *m, struct hb_mail *mail, void (*fn)(struct hb_mail *m)) {
        mail->fn = fn;
        mail->next = NULL;
        pthread_mutex_lock(&m->lock);
        int was_empty = m->head == NULL;
        *m->tail = mail;
        m->tail = &mail->next;
        if (was_empty) { /* inside the lock: once it is open the loop may take the mail, and end the mailbox
                          */
                uint64_t one = 1;
                ssize_t r = write(m->fd, &one, sizeof one);
                (void)r; /* full counter: a wake-up is pending anyway */
        }
        pthread_mutex_unlock(&m->lock);
}

void hb_mailbox_promise(hb_mailbox *m, int more) {
        m->promised += more;
}
