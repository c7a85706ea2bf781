/* conn: one connection to a daemon's control socket that never waits: what came is cut into lines and parsed,
 * what is to be said is queued. Reconnects by itself, after 0.2 s, then doubling up to 5 s. Bounded: a line
 * longer than HB_CTL_MAX_LINE, or one that is no JSON object, closes the connection (and it is made anew);
 * the queue of what is to be sent holds HB_CONN_MAX_OUT bytes.
 *
 * One thread. Time comes in from outside, in nanoseconds of CLOCK_MONOTONIC. */
#pragma once
#include "base/err.h"
#include "control/ctl.h"
#include <poll.h>
#include <stdint.h>

#define HB_CONN_MAX_OUT (256u << 10)

typedef struct hb_conn hb_conn;
struct hb_conn_use {
        void (*up)(void *arg);                   /* connected: ask for what is needed; from a pump */
        void (*message)(void *arg, json_t *msg); /* borrowed; an object */
        /* Once per loss, and for each try to dial that failed; it will dial again. */
        void (*down)(void *arg, const struct hb_err *why);
        void *arg;
};
/* Dials on the first pump. */
int hb_conn_new(const char *socket_path, const struct hb_conn_use *u, hb_conn **ret, struct hb_err *e);
/* A connected descriptor, owned from now on (not when this fails); never dialled again. */
int hb_conn_new_fd(int fd, const struct hb_conn_use *u, hb_conn **ret, struct hb_err *e);
hb_conn *hb_conn_free(hb_conn *c); /* not from inside its callbacks; tells nobody */
/* -ENOTCONN; -ENOBUFS: too much waits already; -EMSGSIZE: longer than a request may be. */
int hb_conn_send(hb_conn *c, const json_t *msg);
/* What to wait for; fd -1: nothing now. */
void hb_conn_poll(const hb_conn *c, struct pollfd *ret);
int64_t hb_conn_wake_ns(const hb_conn *c); /* when to pump even if nothing happens; INT64_MAX */
/* Reads, writes, dials; takes at most 1 MiB a call, so that keys are answered in between. Returns true when
 * it stopped for that and should be called again at once. */
bool hb_conn_pump(hb_conn *c, short revents, int64_t now_ns);
bool hb_conn_is_up(const hb_conn *c);
uint64_t hb_conn_bytes(const hb_conn *c); /* taken since it was made */
/* Cuts the connection; dials again at once (a daemon that is silent too long). */
void hb_conn_redial(hb_conn *c, const char *why);
