/* rdma_listener: takes connection requests, looks at their private data, and hands what is ours to the owner.
 * Nothing is allocated for a request before its private data was found in order, and a request costs the
 * owner nothing before its token was accepted. One thread; a request gets an event channel of its own at
 * once, so that it can outlive the listener and be answered by any thread. */
#include "rdma/rdma_listener.h"
#include "base/fault.h"
#include "rdma/rdma_device.h"
#include "transport/sock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKLOG 16

struct hb_rdma_listener {
        struct rdma_event_channel *channel;
        struct rdma_cm_id *id;
        char device[HB_RDMA_NAME_MAX];
        int (*accept)(void *arg, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_conn *c);
        void *arg;
        int stop_fd;
        bool started;
        pthread_t thread;
};

/* ---- a connection that waits for its answer ---- */

static void refuse(struct rdma_cm_id *id, unsigned reason) {
        uint8_t data[8];

        hb_rdma_reject_put(reason, data);
        (void)rdma_reject(id, data, sizeof(data));
}

struct hb_rdma_conn *hb_rdma_conn_free(struct hb_rdma_conn *c) {
        if (!c)
                return NULL;
        if (c->end.id)
                refuse(c->end.id, c->reason);
        hb_rdma_end_close(&c->end);
        free(c);
        return NULL;
}

void hb_rdma_conn_link(const struct hb_rdma_conn *c, struct hb_rdma_link *ret) {
        hb_rdma_end_link(&c->end, ret);
        ret->bulk_qps = c->asked.bulk_qps;
}

/* NULL: no memory; the id is still the caller's. */
static struct hb_rdma_conn *conn_new(struct hb_rdma_event *ev, const struct hb_rdma_connect *asked) {
        struct hb_rdma_conn *c = hb_fault("rdma.conn") ? NULL : calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (struct hb_rdma_conn){
                .end.wake_fd = -1, .asked = *asked, .param = ev->param, .reason = HB_RDMA_REJECT_RESOURCE};
        c->end.channel = rdma_create_event_channel();
        if (!c->end.channel || rdma_migrate_id(ev->id, c->end.channel) != 0) {
                hb_rdma_end_close(&c->end);
                free(c);
                return NULL;
        }
        c->end.id = ev->id;
        return c;
}

/* ---- requests ---- */

static void request(hb_rdma_listener *l, struct hb_rdma_event *ev) {
        struct hb_rdma_connect asked;
        struct hb_rdma_conn *c;
        int rc = hb_rdma_connect_get(ev->data, ev->size, &asked);
        unsigned reason = rc == -EPROTONOSUPPORT ? HB_RDMA_REJECT_VERSION : HB_RDMA_REJECT_TOKEN;

        if (rc == 0 && hb_rdma_device_fits(ev->id, l->device, "", NULL) == 0) {
                reason = HB_RDMA_REJECT_RESOURCE;
                c = conn_new(ev, &asked);
                if (c) {
                        if (l->accept(l->arg, asked.token, c) < 0) {
                                c->reason = HB_RDMA_REJECT_TOKEN;
                                hb_rdma_conn_free(c);
                        }
                        return;
                }
        }
        refuse(ev->id, reason);
        rdma_destroy_id(ev->id);
}

static void *thread_main(void *arg) {
        hb_rdma_listener *l = arg;
        struct pollfd p[] = {{.fd = l->channel->fd, .events = POLLIN}, {.fd = l->stop_fd, .events = POLLIN}};
        struct hb_rdma_event ev;

        while (!(p[1].revents & POLLIN)) {
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        break;
                while ((p[0].revents & POLLIN) && hb_rdma_next_event(l->channel, 0, &ev) == 0)
                        if (ev.type == RDMA_CM_EVENT_CONNECT_REQUEST)
                                request(l, &ev);
        }
        return NULL;
}

/* ---- life ---- */

static int bind_failed(int code, const char *address, struct hb_err *e) {
        if (code == -EADDRINUSE)
                return hb_err_set(e, code, address, "choose another port, or stop what listens there",
                                  "another program listens for RDMA connections on this address");
        if (code == -EADDRNOTAVAIL || code == -ENODEV)
                return hb_err_set(e, -ENODEV, address,
                                  "`harbinger doctor` lists RDMA devices and their addresses",
                                  "no RDMA device has this address");
        return hb_err_set(e, code, address, NULL, "RDMA connections cannot be listened for: %s",
                          strerror(-code));
}

static bool any_address(const struct hb_addr *a) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;

        return a->sa.ss_family == AF_INET ? v4->sin_addr.s_addr == 0
                                          : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static int open_listener(hb_rdma_listener *l, const char *address, struct hb_err *e) {
        struct hb_addr a;
        int rc = hb_addr_parse(address, true, &a, e);

        if (rc < 0)
                return rc;
        errno = hb_fault("rdma.listen") ? ENODEV : 0;
        l->channel = errno ? NULL : rdma_create_event_channel();
        if (!l->channel || rdma_create_id(l->channel, &l->id, NULL, RDMA_PS_TCP) != 0)
                return hb_rdma_unusable(e, -errno);
        if (rdma_bind_addr(l->id, (struct sockaddr *)&a.sa) != 0)
                return bind_failed(-errno, address, e);
        if (!any_address(&a)) { /* else each request is looked at */
                rc = hb_rdma_device_fits(l->id, l->device, address, e);
                if (rc < 0)
                        return rc;
        }
        if (rdma_listen(l->id, BACKLOG) != 0)
                return bind_failed(-errno, address, e);
        (void)fcntl(l->channel->fd, F_SETFL, O_NONBLOCK);
        return 0;
}

static int start(hb_rdma_listener *l) {
        sigset_t all, before;
        int rc;

        sigfillset(&all); /* signals are the program's main thread's business */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = hb_fault("rdma.thread") ? EAGAIN : pthread_create(&l->thread, NULL, thread_main, l);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        l->started = rc == 0;
        return -rc;
}

int hb_rdma_listen(const char *address, const struct hb_rdma_options *o,
                   int (*accept)(void *arg, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_conn *c),
                   void *arg, hb_rdma_listener **ret, struct hb_err *e) {
        hb_rdma_listener *l = hb_fault("rdma.listener") ? NULL : calloc(1, sizeof(*l));
        int rc;

        if (!l)
                return hb_err_set(e, -ENOMEM, address, NULL, "out of memory for the RDMA listener");
        l->accept = accept;
        l->arg = arg;
        if (o->device)
                strncat(l->device, o->device, sizeof(l->device) - 1);
        l->stop_fd = eventfd(0, EFD_CLOEXEC);
        rc = l->stop_fd < 0 ? hb_err_set(e, -errno, address, NULL, "no descriptor for the RDMA listener")
                            : open_listener(l, address, e);
        if (rc < 0)
                goto fail;
        rc = start(l);
        if (rc < 0) {
                hb_err_set(e, rc, address, NULL, "no thread for the RDMA listener");
                goto fail;
        }
        *ret = l;
        return 0;
fail:
        hb_rdma_listener_free(l);
        return rc;
}

int hb_rdma_listener_port(const hb_rdma_listener *l) {
        return ntohs(rdma_get_src_port(l->id));
}

hb_rdma_listener *hb_rdma_listener_free(hb_rdma_listener *l) {
        uint64_t one = 1;

        if (!l)
                return NULL;
        if (l->started) {
                (void)!write(l->stop_fd, &one, sizeof(one));
                pthread_join(l->thread, NULL);
        }
        if (l->id)
                rdma_destroy_id(l->id);
        if (l->channel)
                rdma_destroy_event_channel(l->channel);
        if (l->stop_fd >= 0)
                close(l->stop_fd);
        free(l);
        return NULL;
}
