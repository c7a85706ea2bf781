/* rdma_door: see the header.
 *
 * Invariant: an accepted connection is in exactly one place: a mail to the loop, a placement's fetcher, or
 * refused. At most WAITING of them are on their way, so that peers which connect and connect cost no memory.
 * Loop thread, but for on_connection. */
#include "daemon/rdma_door.h"
#include "base/clock.h"
#include "base/fault.h"
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "rdma/rdma.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAITING  64u
#define RETRY_NS (5 * HB_NS_PER_S)

struct hb_rdma_door {
        hb_daemon *d;
        hb_rdma_listener *listener;
        uint16_t port; /* the last one it had: placements were told of it */
        struct hb_err why;
        struct event *retry;
        _Atomic unsigned waiting;
};

struct knock {               /* a connection on its way to the loop */
        struct hb_mail mail; /* first */
        struct hb_rdma_door *door;
        struct hb_rdma_conn *conn;
        uint8_t token[HB_TOKEN_SIZE];
};

static void on_knock(struct hb_mail *m) {
        struct knock *k = (struct knock *)m;
        hb_daemon *d = k->door->d;
        struct hb_incoming *in = hb_incoming_by_rdma_token(d, k->token);
        atomic_fetch_sub(&k->door->waiting, 1);
        if (in && !d->stopping)
                hb_incoming_rdma(in, k->conn);
        else
                hb_rdma_conn_free(k->conn);
        free(k);
}

static int on_connection(void *arg, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_conn *c) {
        struct hb_rdma_door *door = arg;
        if (hb_fault("rdma_door.accept"))
                return -ECONNREFUSED;
        if (atomic_fetch_add(&door->waiting, 1) >= WAITING) {
                atomic_fetch_sub(&door->waiting, 1);
                return -EBUSY;
        }
        struct knock *k = calloc(1, sizeof *k);
        if (!k) {
                atomic_fetch_sub(&door->waiting, 1);
                return -ENOMEM;
        }
        k->door = door;
        k->conn = c;
        memcpy(k->token, token, HB_TOKEN_SIZE);
        hb_mailbox_post(door->d->mailbox, &k->mail, on_knock);
        return 0;
}

/* ---- opening ---- */

static bool wanted(const struct hb_rdma_door *door) {
        return strcmp(door->d->settings->rdma, "no") != 0;
}

/* On every device and address: devices may come later, and the source knows which address it takes. The port
 * is the number that peers know already, where it is free (RDMA has ports of its own). */
static int listen_on(struct hb_rdma_door *door, unsigned port) {
        const hb_settings *s = door->d->settings;
        struct hb_rdma_options o = {.device = s->rdma_device, .pinned_bytes = s->rdma_pinned_bytes};
        char address[32];
        snprintf(address, sizeof address, "%s:%u", s->listen[0] == '[' ? "[::]" : "0.0.0.0", port);
        return hb_rdma_listen(address, &o, on_connection, door, &door->listener, &door->why);
}

static unsigned port_of_peers(const hb_settings *s) {
        const char *colon = strrchr(s->listen, ':');
        return colon ? (unsigned)strtoul(colon + 1, NULL, 10) & 0xFFFF : 0;
}

static void open_door(struct hb_rdma_door *door) {
        struct hb_err before = door->why;
        if (door->listener || !wanted(door))
                return;
        int r = listen_on(door, door->port ? door->port : port_of_peers(door->d->settings));
        if (r == -EADDRINUSE)
                r = listen_on(door, 0);
        if (r == 0) {
                door->port = (uint16_t)hb_rdma_listener_port(door->listener);
                door->why = (struct hb_err){0};
                hb_daemon_event(door->d, HB_LOG_INFO, HB_ON_NETWORK, NULL, NULL, NULL,
                                "RDMA connections are taken on port %u", door->port);
                return;
        }
        struct timeval tv = hb_timeval(RETRY_NS);
        event_add(door->retry, &tv);
        if (strcmp(before.what, door->why.what) != 0)
                hb_daemon_event_err(
                        door->d, strcmp(door->d->settings->rdma, "yes") == 0 ? HB_LOG_WARNING : HB_LOG_DEBUG,
                        HB_ON_NETWORK, NULL, NULL, "listening for RDMA connections", &door->why);
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
        open_door(arg);
}

int hb_rdma_door_new(hb_daemon *d) {
        struct hb_rdma_door *door = calloc(1, sizeof *door);
        if (!door)
                return -ENOMEM;
        door->d = d;
        door->retry = event_new(d->base, -1, 0, on_retry, door);
        if (!door->retry) {
                free(door);
                return -ENOMEM;
        }
        d->rdma_door = door;
        open_door(door);
        return 0;
}

void hb_rdma_door_reloaded(hb_daemon *d) {
        struct hb_rdma_door *door = d->rdma_door;
        if (wanted(door)) {
                open_door(door);
                return;
        }
        event_del(door->retry);
        door->listener = hb_rdma_listener_free(door->listener);
        for (struct hb_incoming *in = d->incoming; in; in = in->next)
                hb_incoming_rdma(in, NULL);
}

void hb_rdma_door_close(hb_daemon *d) {
        struct hb_rdma_door *door = d->rdma_door;
        if (!door)
                return;
        event_free(door->retry);
        door->listener = hb_rdma_listener_free(door->listener);
}

void hb_rdma_door_free(hb_daemon *d) {
        free(d->rdma_door);
        d->rdma_door = NULL;
}

uint16_t hb_rdma_door_port(const hb_daemon *d) {
        return d->rdma_door && d->rdma_door->listener ? d->rdma_door->port : 0;
}

const char *hb_rdma_door_why(const hb_daemon *d) {
        const struct hb_rdma_door *door = d->rdma_door;
        if (!door || !wanted(door))
                return "rdma = no";
        return door->why.code ? door->why.what : "";
}
