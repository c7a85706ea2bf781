/* peer_listener: one port for control sessions and data connections.
 *
 * Invariant: every accepted session is in `all` until it is freed, by whomever; at most PENDING_MAX of them
 * have no owner: who has not shown a certificate and said what it wants costs us little. Every connection
 * turned away makes exactly one note. When descriptors run out, accepting pauses instead of spinning. Loop
 * thread only. */
#include "base/fault.h"
#include "transport/data_io.h"
#include "transport/peer_session.h"
#include "transport/sock.h"
#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING_MAX 256
#define BACKLOG     128
#define PAUSE_MS    200

struct accepted {
        struct accepted *prev, *next;
        hb_peer_listener *l;
        hb_session *s;
        bool owned; /* a control session that was handed out: no longer ours to free, unless it was refused */
};

struct hb_peer_listener {
        struct event_base *base;
        struct evconnlistener *ev;
        struct event *resume;
        hb_tls *tls;
        struct hb_listener_callbacks cb;
        struct accepted *all;
        unsigned npending; /* not owned */
};

static void note(hb_peer_listener *l, const struct hb_err *why) {
        if (l->cb.note)
                l->cb.note(l->cb.arg, why);
}

static void forget(struct accepted *p) {
        if (p->prev)
                p->prev->next = p->next;
        else
                p->l->all = p->next;
        if (p->next)
                p->next->prev = p->prev;
        if (!p->owned)
                p->l->npending--;
        free(p);
}

/* ---- what becomes of an accepted connection ---- */

static void on_failed(void *arg, hb_session *s, const struct hb_err *why, bool lingers) {
        struct accepted *p = arg;

        note(p->l, why);
        if (!lingers)
                hb_session_destroy(s); /* gone() forgets it */
}

static void on_gone(void *arg, hb_session *s) {
        forget(arg);
}

static void on_session(void *arg, hb_session *s) {
        struct accepted *p = arg;
        hb_peer_listener *l = p->l;

        p->owned = true;
        l->npending--;
        l->cb.session(l->cb.arg, s); /* may free it: p with it */
}

/* The dialler waits for DATA_READY and has sent nothing more, so closing cannot cut this frame off. */
static void turn_away(struct hb_data_conn *c, int code, hb_peer_listener *l) {
        struct hb_err why = {0};
        struct hb_data_io io;

        hb_err_set(&why, code, c->host, "place the guest again: tokens are good for one session and one host",
                   "a data connection was refused: %s",
                   code == -EACCES ? "its token is unknown or another host's" : strerror(-code));
        if (hb_data_io_init(&io, c, 0, NULL) == 0) {
                if (hb_data_io_send_error(&io, &why) == 0)
                        hb_data_io_flush(&io, NULL);
                hb_data_io_fini(&io);
        }
        note(l, &why);
}

static void on_data(void *arg, hb_session *s, const struct hb_msg_data_hello *m) {
        hb_peer_listener *l = ((struct accepted *)arg)->l;
        struct hb_data_conn c = {.fd = -1, .kind = m->kind, .ready_due = true};
        struct hb_stream_counts n;
        struct hb_err e = {0};
        int rc = hb_stream_detach(hb_session_stream(s), &c.fd, &c.ssl, &n, &e);

        memcpy(c.token, m->token, sizeof(c.token));
        strncpy(c.host, hb_session_host(s), sizeof(c.host) - 1);
        hb_session_destroy(s);
        if (rc < 0) {
                note(l, &e);
                return;
        }
        c.seq_in = n.seq_in;
        c.seq_out = n.seq_out;
        rc = hb_sock_set_blocking(c.fd, true);
        if (rc == 0)
                rc = l->cb.data ? l->cb.data(l->cb.arg, &c) : -EACCES;
        if (rc < 0)
                turn_away(&c, rc, l);
}

/* ---- accepting ---- */

static void too_many(hb_peer_listener *l, const char *address, int fd) {
        struct hb_err e = {0};

        close(fd);
        hb_err_set(&e, -EBUSY, address, "look who opens so many connections to this port",
                   "%u connections wait to say who they are; no more are taken", PENDING_MAX);
        note(l, &e);
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg) {
        static const struct hb_accept_hooks hooks = {
                .session = on_session, .data = on_data, .failed = on_failed, .gone = on_gone};
        struct hb_accept_hooks mine = hooks;
        hb_peer_listener *l = arg;
        struct accepted *p;
        struct hb_err e = {0};
        char address[64];

        hb_addr_text(sa, (socklen_t)len, address, sizeof(address));
        if (l->npending >= PENDING_MAX) {
                too_many(l, address, fd);
                return;
        }
        p = hb_fault("listener.accept") ? NULL : calloc(1, sizeof(*p));
        if (!p) {
                close(fd);
                hb_err_set(&e, -ENOMEM, address, NULL, "out of memory for a connection");
                note(l, &e);
                return;
        }
        mine.arg = p;
        p->l = l;
        if (hb_session_accept(l->base, l->tls, fd, address, &mine, &p->s, &e) < 0) {
                free(p);
                note(l, &e);
                return;
        }
        p->next = l->all;
        if (p->next)
                p->next->prev = p;
        l->all = p;
        l->npending++;
}

static void on_accept_error(struct evconnlistener *ev, void *arg) {
        struct timeval tv = {.tv_usec = PAUSE_MS * 1000};
        hb_peer_listener *l = arg;
        struct hb_err e = {0};
        int code = errno;

        hb_err_set(&e, -code, NULL, "raise the limit of open files (LimitNOFILE)",
                   "cannot accept a connection: %s", strerror(code));
        note(l, &e);
        evconnlistener_disable(ev);
        evtimer_add(l->resume, &tv);
}

static void on_resume(evutil_socket_t fd, short what, void *arg) {
        hb_peer_listener *l = arg;

        evconnlistener_enable(l->ev);
}

int hb_peer_listen(struct event_base *base, hb_tls *tls, const char *address,
                   const struct hb_listener_callbacks *cb, hb_peer_listener **ret, struct hb_err *e) {
        unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
        hb_peer_listener *l;
        struct hb_addr a;
        int rc = hb_addr_parse(address, true, &a, e);

        if (rc < 0)
                return rc;
        l = hb_fault("listener.new") ? NULL : calloc(1, sizeof(*l));
        if (!l)
                return hb_err_set(e, -ENOMEM, address, NULL, "out of memory for the listener");
        *l = (hb_peer_listener){.base = base, .tls = tls, .cb = *cb};
        l->resume = evtimer_new(base, on_resume, l);
        errno = ENOMEM;
        l->ev = evconnlistener_new_bind(base, on_accept, l, flags, BACKLOG, (struct sockaddr *)&a.sa,
                                        (int)a.len);
        if (!l->ev || !l->resume) {
                rc = -errno;
                hb_err_set(e, rc, address,
                           rc == -EADDRINUSE      ? "stop the other program on this port or choose another"
                           : rc == -EADDRNOTAVAIL ? "use an address of this host (`ip address`)"
                                                  : "choose an address and port this user may listen on",
                           "cannot listen: %s", strerror(-rc));
                hb_peer_listener_free(l);
                return rc;
        }
        evconnlistener_set_error_cb(l->ev, on_accept_error);
        *ret = l;
        return 0;
}

hb_peer_listener *hb_peer_listener_free(hb_peer_listener *l) {
        if (!l)
                return NULL;
        if (l->ev)
                evconnlistener_free(l->ev);
        if (l->resume)
                event_free(l->resume);
        while (l->all) {
                hb_session *s = l->all->s;
                bool theirs = l->all->owned && !hb_session_refused(s);

                hb_session_forget_hooks(s);
                forget(l->all);
                if (!theirs)
                        hb_session_destroy(s);
        }
        free(l);
        return NULL;
}

int hb_peer_listener_port(const hb_peer_listener *l) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof(sa);

        if (getsockname(evconnlistener_get_fd(l->ev), (struct sockaddr *)&sa, &len) < 0)
                return -errno;
        return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                              : ((struct sockaddr_in *)&sa)->sin_port);
}

void hb_peer_listener_set_tls(hb_peer_listener *l, hb_tls *tls) {
        l->tls = tls;
}
