/* sock: the few socket steps every TCP connection here needs. Thread-safe (no state). */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <sys/socket.h>

struct hb_addr {
        struct sockaddr_storage sa;
        socklen_t len;
};
/* "10.0.0.1:7311" or "[fd00::1]:7311"; numbers only, so that nothing waits for a name server. */
int hb_addr_parse(const char *text, bool port_zero_ok, struct hb_addr *ret, struct hb_err *e);
void hb_addr_text(const struct sockaddr *sa, socklen_t len, char *out, unsigned size);
/* A non-blocking socket whose connect is under way or done. */
int hb_sock_connect(const struct hb_addr *a, int *ret_fd);
/* After the socket became writable: 0, or why the connect failed. */
int hb_sock_connected(int fd);
/* No delay, keep-alive, and a connection whose peer answers nothing for 15 s is dead. */
void hb_sock_tune(int fd);
/* Keeps what waits unsent in the kernel small: an urgent answer must not queue behind megabytes. */
void hb_sock_limit_queue(int fd, int bytes);
/* Before or behind other packets in this host's own queue towards the wire (priority bands of the qdisc). */
void hb_sock_set_interactive(int fd, bool interactive);
struct hb_sock_rate {
        double bytes_per_s;  /* the kernel's delivery rate; 0: not known yet */
        double round_trip_s; /* smoothed */
};
int hb_sock_rate(int fd, struct hb_sock_rate *ret);
int hb_sock_set_blocking(int fd, bool blocking);
int hb_sock_connect_error(int code, const char *which, struct hb_err *e); /* fills in operator's words */
