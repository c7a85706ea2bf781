/* control_server: clients of the unix socket on the daemon's loop.
 *
 * Invariants. A request belongs to its client's list until it is answered; when the client goes first, the
 * request stays with the daemon and answers into nothing. A client is freed only outside its own callbacks
 * (`busy`): they mark it `doomed` and the outermost one frees it. What a client can make us hold is bounded:
 * one request line of input, MAX_UNDER_WAY requests, MAX_OUTPUT bytes of output, and WRITE_TIMEOUT_S without
 * taking any of it. Owned by the loop thread. */
#include "serve/control_server.h"
#include "base/fault.h"
#include "serve/control_socket.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_CLIENTS     64u
#define MAX_UNDER_WAY   16u
#define MAX_OUTPUT      (2u * HB_CTL_MAX_LINE)
#define PROGRESS_BEHIND 65536u /* unread bytes above which progress is left out */
#define WRITE_TIMEOUT_S 20

struct client {
        LIST_ENTRY(client) link;
        LIST_HEAD(, hb_request) requests;
        hb_control_server *server;
        struct bufferevent *bev;
        unsigned under_way, busy;
        bool doomed;     /* to be freed as soon as nothing of it is on the stack */
        bool last_words; /* reading is over: freed when its output is out and its requests are answered */
        struct ucred who;
};

struct hb_request {
        LIST_ENTRY(hb_request) link;
        struct client *client; /* NULL: gone */
        int id;
        struct ucred who;
};

struct hb_control_server {
        LIST_HEAD(, client) clients;
        unsigned nclients;
        struct hb_control_socket *socket;
        struct evconnlistener *listener;
        struct event *accept_again;
        hb_control_handler handler;
        void *arg;
};

static void free_client(struct client *c) {
        hb_request *r;

        while ((r = LIST_FIRST(&c->requests))) {
                LIST_REMOVE(r, link);
                r->client = NULL;
        }
        LIST_REMOVE(c, link);
        c->server->nclients--;
        bufferevent_free(c->bev);
        free(c);
}

static void enter(struct client *c) {
        c->busy++;
}

static void leave(struct client *c) {
        bool unsent = evbuffer_get_length(bufferevent_get_output(c->bev)) > 0;

        if (--c->busy == 0 && (c->doomed || (c->last_words && !unsent && !c->under_way)))
                free_client(c);
}

static void doom(struct client *c) {
        c->doomed = true;
        bufferevent_disable(c->bev, EV_READ | EV_WRITE);
}

/* Takes msg. The client may be doomed afterwards. */
static void send_message(struct client *c, json_t *msg) {
        size_t len = 0;
        char *line = msg ? hb_ctl_line(msg, &len) : NULL;

        json_decref(msg);
        if (!line || len > HB_CTL_MAX_LINE ||
            evbuffer_get_length(bufferevent_get_output(c->bev)) + len > MAX_OUTPUT ||
            bufferevent_write(c->bev, line, len) < 0)
                doom(c); /* an answer it would wait for can never come */
        free(line);
}

static void turn_away(struct client *c, int id, const struct hb_err *why) {
        send_message(c, hb_ctl_fail(id, why));
        c->last_words = true;
        bufferevent_disable(c->bev, EV_READ);
}

static hb_request *new_request(struct client *c, int id) {
        hb_request *r = hb_fault("control.request") ? NULL : calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->client = c;
        r->id = id;
        r->who = c->who;
        c->under_way++;
        LIST_INSERT_HEAD(&c->requests, r, link);
        return r;
}

static void start_request(struct client *c, int id, const char *name, json_t *args) {
        const struct hb_ctl_command *cmd = hb_ctl_find(name);
        struct hb_err e = {0};
        hb_request *r;

        if (!cmd)
                hb_err_set(&e, -EPROTONOSUPPORT, name, "are harbinger and harbingerd of one version?",
                           "harbingerd " HB_VERSION " does not know this command");
        else if (c->under_way >= MAX_UNDER_WAY)
                hb_err_set(&e, -EBUSY, name, "wait for an answer, or open another connection",
                           "%u requests are under way on this connection", MAX_UNDER_WAY);
        else if (hb_ctl_check(cmd, args, &e) == 0) {
                r = new_request(c, id);
                if (r) {
                        c->server->handler(c->server->arg, r, cmd, args);
                        return;
                }
                hb_err_set(&e, -ENOMEM, name, NULL, "harbingerd has no memory for another request");
        }
        send_message(c, hb_ctl_fail(id, &e));
}

static void take_line(struct client *c, const char *line, size_t len) {
        struct hb_err e = {0};
        const char *cmd;
        json_t *msg;
        int id;

        if (hb_ctl_parse_request(line, len, &id, &cmd, &msg, &e) < 0) {
                turn_away(c, 0, &e);
                return;
        }
        start_request(c, id, cmd, json_object_get(msg, "args"));
        json_decref(msg);
}

static void on_read(struct bufferevent *bev, void *arg) {
        struct evbuffer *in = bufferevent_get_input(bev);
        struct client *c = arg;
        struct hb_err e;
        size_t len;
        char *line;

        enter(c);
        while (!c->doomed && !c->last_words && (line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF))) {
                take_line(c, line, len);
                free(line);
        }
        if (!c->doomed && !c->last_words && evbuffer_get_length(in) >= HB_CTL_MAX_REQUEST) {
                hb_err_set(&e, -EMSGSIZE, NULL, "send one JSON object a line",
                           "a request is longer than %u bytes", HB_CTL_MAX_REQUEST);
                turn_away(c, 0, &e);
        }
        leave(c);
}

static void on_written(struct bufferevent *bev, void *arg) {
        struct client *c = arg;

        enter(c);
        leave(c);
}

/* True when both directions are closed, not only the client's writing half. */
static bool hung_up(struct bufferevent *bev) {
        struct pollfd p = {.fd = bufferevent_getfd(bev)};

        return poll(&p, 1, 0) < 0 || (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
        struct client *c = arg;

        enter(c);
        if ((what & BEV_EVENT_EOF) && !hung_up(bev)) {
                c->last_words =
                        true; /* `printf ... | nc -U` closes its writing half and waits for the answer */
                bufferevent_disable(bev, EV_READ);
        } else {
                doom(c);
        }
        leave(c);
}

static void refuse_connection(evutil_socket_t fd) {
        struct hb_err e;
        size_t len;
        json_t *msg;
        char *line;

        hb_err_set(&e, -EBUSY, NULL, "close one, or try again", "harbingerd already has %u clients",
                   MAX_CLIENTS);
        msg = hb_ctl_fail(0, &e);
        line = msg ? hb_ctl_line(msg, &len) : NULL;
        if (line && send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                len = 0; /* it hung up first: nothing to tell it */
        free(line);
        json_decref(msg);
        evutil_closesocket(fd);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len,
                      void *arg) {
        static const struct timeval write_timeout = {.tv_sec = WRITE_TIMEOUT_S};
        hb_control_server *s = arg;
        struct client *c = NULL;
        socklen_t len = sizeof(c->who);

        if (s->nclients < MAX_CLIENTS && !hb_fault("control.accept"))
                c = calloc(1, sizeof(*c));
        if (c)
                c->bev = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
        if (!c || !c->bev || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->who, &len) < 0) {
                if (c && c->bev)
                        bufferevent_free(c->bev);
                else
                        refuse_connection(fd);
                free(c);
                return;
        }
        c->server = s;
        LIST_INIT(&c->requests);
        LIST_INSERT_HEAD(&s->clients, c, link);
        s->nclients++;
        bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
        bufferevent_set_timeouts(c->bev, NULL, &write_timeout);
        bufferevent_setwatermark(c->bev, EV_READ, 0, HB_CTL_MAX_REQUEST + 1);
        bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Out of descriptors or memory: the waiting connection stays readable, so accepting again at once would spin.
 */
static void on_accept_failed(struct evconnlistener *l, void *arg) {
        static const struct timeval pause = {.tv_usec = 250000};
        hb_control_server *s = arg;

        evconnlistener_disable(l);
        event_add(s->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg) {
        hb_control_server *s = arg;

        evconnlistener_enable(s->listener);
}

int hb_control_server_new(struct event_base *base, const char *path, const char *group, hb_control_handler h,
                          void *arg, hb_control_server **ret, struct hb_err *e) {
        hb_control_server *s = calloc(1, sizeof(*s));
        int r = -ENOMEM;

        if (!s)
                goto fail;
        LIST_INIT(&s->clients);
        s->handler = h;
        s->arg = arg;
        r = hb_control_socket_open(path, group, &s->socket, e);
        if (r < 0) {
                free(s);
                return r;
        }
        r = -ENOMEM;
        s->accept_again = evtimer_new(base, on_accept_again, s);
        s->listener = evconnlistener_new(base, on_accept, s, LEV_OPT_CLOSE_ON_EXEC, 0,
                                         hb_control_socket_fd(s->socket));
        if (!s->listener || !s->accept_again)
                goto fail;
        evconnlistener_set_error_cb(s->listener, on_accept_failed);
        *ret = s;
        return 0;
fail:
        hb_control_server_free(s);
        return hb_err_set(e, r, path, NULL, "no memory for the control socket");
}

hb_control_server *hb_control_server_free(hb_control_server *s) {
        if (!s)
                return NULL;
        while (!LIST_EMPTY(&s->clients))
                free_client(LIST_FIRST(&s->clients));
        if (s->listener)
                evconnlistener_free(s->listener);
        if (s->accept_again)
                event_free(s->accept_again);
        hb_control_socket_close(s->socket);
        free(s);
        return NULL;
}

unsigned hb_control_server_clients(const hb_control_server *s) {
        return s->nclients;
}

static void end_request(hb_request *r) {
        if (r->client) {
                LIST_REMOVE(r, link);
                r->client->under_way--;
        }
        free(r);
}

/* Takes msg and r. */
static void finish(hb_request *r, json_t *msg) {
        struct client *c = r->client;

        if (!c) {
                json_decref(msg);
                end_request(r);
                return;
        }
        enter(c);
        send_message(c, msg);
        end_request(r);
        leave(c);
}

void hb_request_ok(hb_request *r, json_t *result) {
        json_t *msg = hb_ctl_ok(r->id, result);
        struct hb_err e;

        if (!msg) {
                hb_err_set(&e, -ENOMEM, NULL, NULL,
                           "it was done, but harbingerd has no memory for the answer");
                msg = hb_ctl_fail(r->id, &e);
        }
        finish(r, msg);
}

void hb_request_fail(hb_request *r, const struct hb_err *e) {
        finish(r, hb_ctl_fail(r->id, e));
}

void hb_request_progress(hb_request *r, json_t *p) {
        struct client *c = r->client;

        if (!c || evbuffer_get_length(bufferevent_get_output(c->bev)) > PROGRESS_BEHIND) {
                json_decref(p);
                return;
        }
        enter(c);
        send_message(c, hb_ctl_progress(r->id, p));
        leave(c);
}

/* ---- progress that is text ---- */

/* What the socket takes now, when nothing waits before it. An error is met again by whoever sends the rest.
 */
static size_t send_now(struct client *c, const struct iovec *v, unsigned n) {
        struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = n};
        ssize_t sent = -1;

        if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0 && !hb_fault("control.send_now"))
                sent = sendmsg(bufferevent_getfd(c->bev), &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        return sent > 0 ? (size_t)sent : 0;
}

static void let_go(const void *data, size_t len, void *text) {
        hb_shared_text_unref(text);
}

/* text NULL: bytes of the caller's, copied. */
static int queue_rest(struct client *c, const struct iovec *v, size_t skip, hb_shared_text *text) {
        struct evbuffer *out = bufferevent_get_output(c->bev);
        const char *from = (const char *)v->iov_base + skip;
        size_t len = v->iov_len - skip;

        if (!text)
                return evbuffer_add(out, from, len);
        if (evbuffer_add_reference(out, from, len, let_go, hb_shared_text_ref(text)) == 0)
                return 0;
        hb_shared_text_unref(text);
        return -1;
}

/* One line of parts between a head and a tail. The client may be doomed afterwards. */
static void send_text(struct client *c, const char *head, const char *tail, hb_shared_text *const *parts,
                      unsigned n) {
        struct iovec v[HB_PROGRESS_PARTS + 2];
        size_t all = 0, sent;

        v[0] = (struct iovec){(void *)head, strlen(head)};
        for (unsigned i = 0; i < n; i++)
                v[i + 1] =
                        (struct iovec){(void *)hb_shared_text_bytes(parts[i]), hb_shared_text_size(parts[i])};
        v[n + 1] = (struct iovec){(void *)tail, strlen(tail)};
        for (unsigned i = 0; i < n + 2; i++)
                all += v[i].iov_len;
        sent = send_now(c, v, n + 2);
        if (all > HB_CTL_MAX_LINE ||
            evbuffer_get_length(bufferevent_get_output(c->bev)) + all - sent > MAX_OUTPUT)
                doom(c);
        for (unsigned i = 0; i < n + 2 && !c->doomed; i++) {
                size_t done = sent < v[i].iov_len ? sent : v[i].iov_len;

                sent -= done;
                if (done < v[i].iov_len && queue_rest(c, &v[i], done, i && i <= n ? parts[i - 1] : NULL) < 0)
                        doom(c);
        }
}

void hb_request_progress_text(hb_request *r, hb_shared_text *const *parts, unsigned n) {
        struct client *c = r->client;
        char head[48];

        if (!c || c->doomed || n > HB_PROGRESS_PARTS)
                return;
        snprintf(head, sizeof(head), "{\"id\":%d,\"progress\":", r->id);
        enter(c);
        send_text(c, head, "}\n", parts, n);
        leave(c);
}

void hb_request_ok_text(hb_request *r, hb_shared_text *text) {
        struct client *c = r->client;
        char head[48];

        snprintf(head, sizeof(head), "{\"id\":%d,\"result\":", r->id);
        if (c) {
                enter(c);
                send_text(c, head, ",\"ok\":true}\n", &text, 1);
        }
        end_request(r);
        if (c)
                leave(c);
}

bool hb_request_behind(const hb_request *r) {
        int unread = 0;

        if (!r->client)
                return false;
        if (evbuffer_get_length(bufferevent_get_output(r->client->bev)) > 0)
                return true;
        return ioctl(bufferevent_getfd(r->client->bev), SIOCOUTQ, &unread) == 0 && unread > 0;
}

bool hb_request_same_client(const hb_request *a, const hb_request *b) {
        return a->client && a->client == b->client;
}

bool hb_request_alive(const hb_request *r) {
        return r->client && !r->client->doomed;
}

void hb_request_peer(const hb_request *r, int *ret_pid, unsigned *ret_uid) {
        *ret_pid = r->who.pid;
        *ret_uid = r->who.uid;
}
