/* tls: the host's TLS 1.3 context.
 *
 * Invariant: a context that hb_tls_new returned has a certificate and key that belong together, are signed by
 * the CA given and were valid at that time: what is wrong with this host's own files is said at start, not by
 * its peers. No session is ever resumed, so every connection verifies both certificates. Immutable after new:
 * any thread may make handles; a handle keeps the context alive (OpenSSL counts), so hb_tls_free may come
 * first. */
#include "transport/tls.h"
#include "base/fault.h"
#include "transport/tls_priv.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CIPHERS     "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define READ_BUFFER (64u << 10) /* bytes taken from the socket at once where read-ahead is on */

struct hb_tls {
        SSL_CTX *ctx;
        char name[HB_NAME_MAX];
        bool kernel;
};

static int check_readable(const char *path, const char *setting, struct hb_err *e) {
        FILE *f = path ? fopen(path, "re") : NULL;
        int code = path ? -errno : -ENOENT;

        if (f) {
                fclose(f);
                return 0;
        }
        return hb_err_set(e, -EACCES, path ? path : setting,
                          "make certificates with `harbinger cert` and name them in the settings",
                          "cannot read the %s: %s", setting, strerror(-code));
}

static int load_files(SSL_CTX *ctx, const struct hb_tls_files *f, struct hb_err *e) {
        int rc;

        if ((rc = check_readable(f->ca, "cluster's CA certificate", e)) < 0 ||
            (rc = check_readable(f->cert, "host's certificate", e)) < 0 ||
            (rc = check_readable(f->key, "host's key", e)) < 0)
                return rc;
        if (SSL_CTX_load_verify_file(ctx, f->ca) != 1)
                return hb_err_set(e, -EACCES, f->ca,
                                  "copy ca.crt again from where `harbinger cert init` made it",
                                  "the file holds no CA certificate");
        if (SSL_CTX_use_certificate_file(ctx, f->cert, SSL_FILETYPE_PEM) != 1)
                return hb_err_set(e, -EACCES, f->cert, "make one with `harbinger cert host`",
                                  "the file holds no certificate");
        if (SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1 &&
            ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
                return hb_err_set(e, -EACCES, f->key,
                                  "copy the key again from where `harbinger cert host` made it",
                                  "the file holds no private key without a pass phrase");
        if (SSL_CTX_check_private_key(ctx) != 1)
                return hb_err_set(e, -EACCES, f->key, "name the .crt and .key of one host",
                                  "the key does not match the certificate %s", f->cert);
        return 0;
}

static int own_certificate_bad(const struct hb_tls_files *f, X509 *crt, int error, struct hb_err *e) {
        char when[64];

        if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
                hb_tls_time_text(X509_get0_notAfter(crt), when, sizeof(when));
                return hb_err_set(e, -EACCES, f->cert, "make a new one with `harbinger cert host`",
                                  "the certificate expired on %s", when);
        }
        if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
                hb_tls_time_text(X509_get0_notBefore(crt), when, sizeof(when));
                return hb_err_set(e, -EACCES, f->cert, "check this host's clock",
                                  "the certificate is not valid before %s", when);
        }
        return hb_err_set(e, -EACCES, f->cert,
                          "use the ca.crt that was made together with the key it was signed by",
                          "the certificate is not signed by the CA in %s (%s)", f->ca,
                          X509_verify_cert_error_string(error));
}

static int check_own(SSL_CTX *ctx, const struct hb_tls_files *f, char ret_name[HB_NAME_MAX],
                     struct hb_err *e) {
        X509 *crt = SSL_CTX_get0_certificate(ctx);
        X509_STORE_CTX *v = X509_STORE_CTX_new();
        int error = X509_V_ERR_OUT_OF_MEM, rc = 0;

        if (v && X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ctx), crt, NULL) == 1) {
                X509_STORE_CTX_set_purpose(v, X509_PURPOSE_SSL_SERVER);
                error = X509_verify_cert(v) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(v);
        }
        if (error != X509_V_OK)
                rc = own_certificate_bad(f, crt, error, e);
        else if (!hb_tls_cert_name(crt, ret_name))
                rc = hb_err_set(e, -EACCES, f->cert, "make one with `harbinger cert host`",
                                "the certificate has no valid host name as both CN and dNSName");
        X509_STORE_CTX_free(v);
        return rc;
}

static bool configure(SSL_CTX *ctx) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF); /* frames notice a cut themselves */
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, hb_tls_verify);
        SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
        return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_ciphersuites(ctx, CIPHERS) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1;
}

/* An encrypted key must fail, not ask at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg) {
        return -1;
}

int hb_tls_new(const struct hb_tls_files *f, hb_tls **ret, struct hb_err *e) {
        hb_tls *t = calloc(1, sizeof(*t));
        int rc;

        if (t && !hb_fault("tls.new"))
                t->ctx = SSL_CTX_new(TLS_method());
        if (!t || !t->ctx || !configure(t->ctx)) {
                rc = hb_err_set(e, -ENOMEM, NULL, "check the OpenSSL installation",
                                "cannot set up a TLS 1.3 context");
                goto fail;
        }
        SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
        rc = load_files(t->ctx, f, e);
        if (rc == 0)
                rc = check_own(t->ctx, f, t->name, e);
        if (rc < 0)
                goto fail;
        t->kernel = true;
        *ret = t;
        return 0;
fail:
        ERR_clear_error();
        hb_tls_free(t);
        return rc;
}

hb_tls *hb_tls_free(hb_tls *t) {
        if (!t)
                return NULL;
        SSL_CTX_free(t->ctx);
        free(t);
        return NULL;
}

const char *hb_tls_own_name(const hb_tls *t) {
        return t->name;
}

int hb_tls_handle(hb_tls *t, int server, const char *expect_peer, SSL **ret, struct hb_err *e) {
        SSL *ssl = hb_fault("tls.handle") ? NULL : SSL_new(t->ctx);

        if (!ssl || hb_tls_note_attach(ssl, expect_peer) < 0) {
                SSL_free(ssl);
                ERR_clear_error();
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for a TLS connection");
        }
        if (server)
                SSL_set_accept_state(ssl);
        else
                SSL_set_connect_state(ssl);
        *ret = ssl;
        return 0;
}

void hb_tls_allow_kernel(hb_tls *t, int allow) {
        t->kernel = allow;
}

void hb_tls_offer_kernel(const hb_tls *t, SSL *ssl) {
        if (t->kernel)
                SSL_set_options(ssl, SSL_OP_ENABLE_KTLS);
}

int hb_tls_set_fd(SSL *ssl, int fd) {
        BIO *b = hb_tls_bio_new(fd);

        if (!b)
                return -ENOMEM;
        SSL_set_bio(ssl, b, b);
        return 0;
}

int hb_tls_peer_name(SSL *ssl, char ret[HB_NAME_MAX], struct hb_err *e) {
        X509 *crt = SSL_get0_peer_certificate(ssl);

        if (!crt)
                return hb_err_set(e, -EACCES, NULL, NULL, "the peer showed no certificate");
        if (SSL_get_verify_result(ssl) != X509_V_OK || !hb_tls_cert_name(crt, ret))
                return hb_err_set(e, -EACCES, NULL, NULL, "the peer's certificate proves no host name");
        return 0;
}
