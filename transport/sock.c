/* sock: addresses in, tuned sockets out. No state; nothing here blocks. */
#include "transport/sock.h"
#include "base/fault.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <linux/tcp.h> /* not netinet/tcp.h: that one's tcp_info ends before the delivery rate */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEAD_AFTER_MS 15000
#define IDLE_S        5
#define PROBE_S       3
#define PROBES        3

/* 0..65535, digits only. */
static bool parse_port(const char *s, uint16_t *ret) {
        unsigned v = 0;

        if (!*s || strlen(s) > 5)
                return false;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return false;
                v = v * 10 + (unsigned)(*s - '0');
        }
        *ret = htons((uint16_t)v);
        return v <= 65535;
}

static bool parse_host(const char *host, size_t n, bool brackets, uint16_t port, struct hb_addr *a) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a->sa;
        struct sockaddr_in *four = (struct sockaddr_in *)&a->sa;
        char text[INET6_ADDRSTRLEN];

        if (n == 0 || n >= sizeof(text))
                return false;
        memcpy(text, host, n);
        text[n] = '\0';
        if (brackets) {
                *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
                a->len = sizeof(*six);
                return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
        }
        *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        a->len = sizeof(*four);
        return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

static bool parse(const char *text, struct hb_addr *a, uint16_t *ret_port) {
        const char *colon = strrchr(text, ':');
        bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';

        if (!colon || !parse_port(colon + 1, ret_port))
                return false;
        if (brackets)
                return parse_host(text + 1, (size_t)(colon - text) - 2, true, *ret_port, a);
        return parse_host(text, (size_t)(colon - text), false, *ret_port, a);
}

int hb_addr_parse(const char *text, bool port_zero_ok, struct hb_addr *ret, struct hb_err *e) {
        struct hb_addr a = {0};
        uint16_t port;

        if (!parse(text ? text : "", &a, &port) || (port == 0 && !port_zero_ok))
                return hb_err_set(e, -EINVAL, text, "write it as 10.0.0.1:7311 or [fd00::1]:7311",
                                  "not an address with a port");
        *ret = a;
        return 0;
}

void hb_addr_text(const struct sockaddr *sa, socklen_t len, char *out, unsigned size) {
        char ip[INET6_ADDRSTRLEN] = "?";

        if (sa->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
                inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
                snprintf(out, size, "%s:%u", ip, ntohs(in->sin_port));
        } else if (sa->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)sa;
                inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof(ip));
                snprintf(out, size, "[%s]:%u", ip, ntohs(in->sin6_port));
        } else {
                snprintf(out, size, "unknown address");
        }
}

int hb_sock_connect(const struct hb_addr *a, int *ret_fd) {
        int fd, code;

        if (hb_fault("sock.connect"))
                return -ECONNREFUSED;
        fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno != EINPROGRESS) {
                code = -errno;
                close(fd);
                return code;
        }
        *ret_fd = fd;
        return 0;
}

int hb_sock_connected(int fd) {
        int code = 0;
        socklen_t len = sizeof(code);

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
                return -errno;
        return -code;
}

/* Best effort: a connection without these options works, it only notices a dead peer later. */
void hb_sock_tune(int fd) {
        int on = 1, idle = IDLE_S, probe = PROBE_S, probes = PROBES, dead_ms = DEAD_AFTER_MS;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe, sizeof(probe));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

void hb_sock_limit_queue(int fd, int bytes) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

void hb_sock_set_interactive(int fd, bool interactive) {
        int priority = interactive ? TC_PRIO_INTERACTIVE : TC_PRIO_BULK;

        (void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
}

int hb_sock_rate(int fd, struct hb_sock_rate *ret) {
        struct tcp_info i = {0};
        socklen_t len = sizeof(i);

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
                return -errno;
        ret->bytes_per_s = (double)i.tcpi_delivery_rate;
        ret->round_trip_s = (double)i.tcpi_rtt / 1e6;
        return 0;
}

int hb_sock_set_blocking(int fd, bool blocking) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int hb_sock_connect_error(int code, const char *which, struct hb_err *e) {
        const char *next = "check the address and the network between the hosts";

        if (code == -ECONNREFUSED)
                next = "start harbingerd there, or correct the address or the firewall";
        return hb_err_set(e, code, which, next, "cannot connect: %s", strerror(-code));
}
