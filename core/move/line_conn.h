/* line_conn: a client's end of a unix socket that speaks in lines, one request at a time; what both guest
 * ports stand on. Every wait has a deadline and ends at once when the cancel descriptor becomes readable. One
 * thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HB_LINE_MAX (4u << 20) /* longest line taken; QEMU's largest answers are some 100 KiB */

typedef struct hb_line_conn hb_line_conn;

/* wait_ms: how long to go on trying while nothing listens there. cancel_fd (-1: none) is borrowed. -ENOENT,
 * -ECONNREFUSED, -EACCES, -EBUSY the listener's queue stayed full, -ENAMETOOLONG, -ECANCELED. */
int hb_line_connect(const char *path, int wait_ms, int cancel_fd, hb_line_conn **ret);
hb_line_conn *hb_line_close(hb_line_conn *c);
pid_t hb_line_peer(const hb_line_conn *c); /* the process that listens, as the kernel knows it */

/* Sends bytes (the newline is the caller's), and with them fd_to_pass unless -1; it stays the caller's.
 * -ECONNRESET, -ETIMEDOUT, -ECANCELED. */
int hb_line_send(hb_line_conn *c, const void *data, size_t size, int fd_to_pass, uint64_t deadline_ns);
/* One line without its end, valid until the next call; terminated. -ECONNRESET closed, -ETIMEDOUT,
 * -ECANCELED, -EMSGSIZE too long (the connection is of no further use). */
int hb_line_recv(hb_line_conn *c, uint64_t deadline_ns, char **ret_line, size_t *ret_size);

/* Waits until fd has `events`, the deadline (-ETIMEDOUT) or cancellation (-ECANCELED). fd -1: just waits. */
int hb_line_poll(int fd, short events, int cancel_fd, uint64_t deadline_ns);
uint64_t hb_deadline_ns(int timeout_ms);
