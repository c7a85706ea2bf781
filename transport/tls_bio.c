/* tls_bio: OpenSSL's socket BIO writes with write(), which raises SIGPIPE when the peer is gone; a library
 * must not ask its program to change a process-wide signal. This one is the same but for send(MSG_NOSIGNAL).
 * It is a fd-bearing BIO, so libevent and BIO_get_fd work with it. Any thread. */
#include "transport/tls_priv.h"
#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <sys/socket.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* a constant after `once` */

static int write_quietly(BIO *b, const char *data, int size) {
        ssize_t n;
        int fd;

        BIO_get_fd(b, &fd);
        n = send(fd, data, (size_t)size, MSG_NOSIGNAL | (BIO_get_data(b) ? MSG_MORE : 0));
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

        BIO_set_data(b, more ? b : NULL); /* a flag: no socket BIO keeps data there */
}

BIO *hb_tls_bio_new(int fd) {
        BIO *b;

        pthread_once(&once, make_method);
        b = method ? BIO_new(method) : NULL;
        if (b)
                BIO_set_fd(b, fd, BIO_NOCLOSE);
        return b;
}
