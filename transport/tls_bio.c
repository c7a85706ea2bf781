/* tls_bio: OpenSSL's socket BIO writes with write(), which raises SIGPIPE when the peer is gone; a library
 * must not ask its program to change a process-wide signal. This one is the same but for send(MSG_NOSIGNAL).
 * It is a fd-bearing BIO, so libevent and BIO_get_fd work with it. All controls are the socket BIO's, so the
 * kernel can be given the keys of the sending side (kernel TLS); the type of a record that is no application
 * data (an alert, a key update) then goes to the kernel beside it. Any thread. */
#include "transport/tls_priv.h"
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#define MORE_FLAG 0x10000 /* ours; 0x1000 to 0x4000 are kernel TLS's, by openssl/bio.h */
#define CTRL_FLAG 0x1000  /* kernel TLS: the next write is a record of another type */
#define CTRL_NEXT 74      /* BIO_ctrl that sets it; only a library with kernel TLS does */
#define CTRL_DATA 75      /* and takes it back */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* a constant after `once` */

/* OpenSSL left the record's type in the BIO's data. */
static ssize_t send_control(BIO *b, int fd, const char *data, size_t size) {
        union {
                char room[CMSG_SPACE(1)];
                struct cmsghdr align;
        } control = {{0}};
        struct iovec iov = {.iov_base = (char *)data, .iov_len = size};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof(control.room)};
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        ssize_t n;

        *h = (struct cmsghdr){
                .cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE, .cmsg_len = CMSG_LEN(1)};
        *CMSG_DATA(h) = (unsigned char)(intptr_t)BIO_get_data(b);
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (n >= 0)
                BIO_ctrl(b, CTRL_DATA, 0, NULL);
        return n;
}

static int write_quietly(BIO *b, const char *data, int size) {
        ssize_t n;
        int fd;

        BIO_get_fd(b, &fd);
        if (BIO_test_flags(b, CTRL_FLAG))
                n = send_control(b, fd, data, (size_t)size);
        else
                n = send(fd, data, (size_t)size,
                         MSG_NOSIGNAL | (BIO_test_flags(b, MORE_FLAG) ? MSG_MORE : 0));
        BIO_clear_retry_flags(b);
        if (n < 0 && BIO_sock_should_retry(-1))
                BIO_set_retry_write(b);
        return (int)n;
}

static void make_method(void) {
        const BIO_METHOD *sock = BIO_s_socket();
        BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");

        if (m && BIO_meth_set_write(m, write_quietly) && BIO_meth_set_read(m, BIO_meth_get_read(sock)) &&
            BIO_meth_set_puts(m, BIO_meth_get_puts(sock)) && BIO_meth_set_ctrl(m, BIO_meth_get_ctrl(sock)) &&
            BIO_meth_set_create(m, BIO_meth_get_create(sock)) &&
            BIO_meth_set_destroy(m, BIO_meth_get_destroy(sock)))
                method = m;
        else
                BIO_meth_free(m);
}

void hb_tls_more(SSL *ssl, int more) {
        BIO *b = SSL_get_wbio(ssl);

        if (more)
                BIO_set_flags(b, MORE_FLAG);
        else
                BIO_clear_flags(b, MORE_FLAG);
}

/* ---- kernel TLS ---- */

int hb_tls_kernel_sends(const SSL *ssl) {
        BIO *b = ssl ? SSL_get_wbio(ssl) : NULL;

        return b && BIO_ctrl(b, BIO_CTRL_GET_KTLS_SEND, 0, NULL) > 0;
}

static bool library_can(void) {
        BIO *b = BIO_new(BIO_s_socket());
        bool can;

        if (!b)
                return false;
        BIO_set_fd(b, -1, BIO_NOCLOSE);
        BIO_ctrl(b, CTRL_NEXT, 0, NULL);
        can = BIO_test_flags(b, CTRL_FLAG) != 0;
        BIO_ctrl(b, CTRL_DATA, 0, NULL);
        BIO_free(b);
        return can;
}

/* An unconnected socket is told to connect first where the kernel knows the name, and ENOENT where not. */
static bool kernel_can(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool can = fd >= 0 &&
                   (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || errno == ENOTCONN);

        if (fd >= 0)
                close(fd);
        return can;
}

void hb_tls_kernel_probe(int *ret_library, int *ret_kernel) {
        *ret_library = library_can();
        *ret_kernel = kernel_can();
}

BIO *hb_tls_bio_new(int fd) {
        BIO *b;

        pthread_once(&once, make_method);
        b = method ? BIO_new(method) : NULL;
        if (b)
                BIO_set_fd(b, fd, BIO_NOCLOSE);
        return b;
}
