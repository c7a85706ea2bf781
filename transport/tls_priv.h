/* tls_priv: what the tls_*.c files share. */
#pragma once
#include "transport/tls.h"
#include <openssl/ssl.h>
#include <stdbool.h>

/* What the verification of one peer found; hangs on its SSL handle and is freed with it. */
struct hb_tls_note {
        char expect[HB_NAME_MAX]; /* "": anyone of the cluster */
        char name[HB_NAME_MAX];   /* of the certificate, "" if it has none that is valid */
        char valid[64];           /* the time in question of an expired or too early certificate */
        int verify_error;         /* X509_V_* */
};

struct hb_tls_note *hb_tls_note_of(const SSL *ssl); /* NULL: none */
int hb_tls_note_attach(SSL *ssl, const char *expect);
int hb_tls_verify(int preverified, X509_STORE_CTX *ctx); /* SSL_verify_cb */

/* CN, which must be a valid name and also one of the certificate's dNSNames. False: it is not so. */
bool hb_tls_cert_name(X509 *crt, char ret[HB_NAME_MAX]);
void hb_tls_time_text(const ASN1_TIME *t, char *out, size_t size); /* "Nov 22 15:33:00 2025 GMT" */

/* A socket BIO whose writes never raise SIGPIPE; borrows fd. */
BIO *hb_tls_bio_new(int fd);
