/* control_server: the unix socket on the loop: accepts clients, reads lines, checks requests against the
 * command table and hands them to the daemon; answers may come later. A client that sends too long a line,
 * bad JSON or does not read is dropped.
 *
 * Who may connect is the socket file's mode and group, which the kernel checks. Everything runs on the loop's
 * thread. The program must ignore SIGPIPE. */
#pragma once
#include "base/err.h"
#include "control/ctl.h"
#include "serve/shared_text.h"
#include <event2/event.h>

typedef struct hb_control_server hb_control_server;
typedef struct hb_request hb_request; /* one request under way; survives its client's disconnect */

/* cmd and args are valid until the handler returns (incref args to keep). Exactly one hb_request_ok/fail per
 * request, now or later. */
typedef void (*hb_control_handler)(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args);

/* Socket mode 0660, group by name ("" keeps the process's). A stale socket file is replaced, a live one is
 * -EADDRINUSE (PATH.lock keeps two daemons that start at once apart). -ENOENT: no such folder or group. */
int hb_control_server_new(struct event_base *base, const char *path, const char *group, hb_control_handler h,
                          void *arg, hb_control_server **ret, struct hb_err *e);
/* Not from inside the handler. Requests still under way stay the daemon's to finish; their answers go
 * nowhere. */
hb_control_server *hb_control_server_free(hb_control_server *s);
unsigned hb_control_server_clients(const hb_control_server *s);
void hb_request_ok(hb_request *r, json_t *result /* stolen */); /* frees r */
void hb_request_fail(hb_request *r, const struct hb_err *e);    /* frees r */
/* The same with an object that is text already; text stays the caller's. */
void hb_request_ok_text(hb_request *r, hb_shared_text *text);
/* Left out for a client that is behind in reading: progress is only worth its newest. */
void hb_request_progress(hb_request *r, json_t *p /* stolen */);
/* With an object that is text already, in parts that are written one after the other and must be no
 * JSON of their own; at most HB_PROGRESS_PARTS. What the client's socket takes is sent at once, the rest is
 * held by reference: many clients of one text cost its memory once. It is not left out by itself: ask
 * hb_request_behind. */
#define HB_PROGRESS_PARTS 4u
void hb_request_progress_text(hb_request *r, hb_shared_text *const *parts, unsigned n);
/* The client has not yet read all that it was sent. A system call. */
bool hb_request_behind(const hb_request *r);
bool hb_request_alive(const hb_request *r);                            /* client still there */
bool hb_request_same_client(const hb_request *a, const hb_request *b); /* one connection, still there */
/* Who asked, for the log: process and user at the time of connect. */
void hb_request_peer(const hb_request *r, int *ret_pid, unsigned *ret_uid);
