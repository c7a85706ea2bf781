/* tls_verify: who is the other side?
 *
 * Invariant: a handshake ends well only for a certificate signed by the cluster's authority, valid now, whose
 * CN is a valid host name and also one of its dNSNames, and, where a name was expected, that very name. No
 * wildcards and no case folding: names are compared byte for byte, as allow-lists do. Runs on the thread of
 * the handshake. */
#include "transport/tls_priv.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int note_index = -1; /* a constant after `once` */

static void free_note(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp) {
        free(ptr);
}

static void make_index(void) {
        note_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_note);
}

struct hb_tls_note *hb_tls_note_of(const SSL *ssl) {
        pthread_once(&once, make_index);
        return note_index < 0 ? NULL : SSL_get_ex_data(ssl, note_index);
}

int hb_tls_note_attach(SSL *ssl, const char *expect) {
        struct hb_tls_note *n = calloc(1, sizeof(*n));

        pthread_once(&once, make_index);
        if (!n || note_index < 0 || SSL_set_ex_data(ssl, note_index, n) != 1) {
                free(n);
                return -ENOMEM;
        }
        strncpy(n->expect, expect ? expect : "", sizeof(n->expect) - 1);
        return 0;
}

static bool has_dns_name(X509 *crt, const char *name) {
        GENERAL_NAMES *all = X509_get_ext_d2i(crt, NID_subject_alt_name, NULL, NULL);
        size_t len = strlen(name);
        bool found = false;

        for (int i = 0; !found && i < sk_GENERAL_NAME_num(all); i++) {
                const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
                const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : NULL;

                found = s && (size_t)ASN1_STRING_length(s) == len &&
                        memcmp(ASN1_STRING_get0_data(s), name, len) == 0;
        }
        GENERAL_NAMES_free(all);
        return found;
}

bool hb_tls_cert_name(X509 *crt, char ret[HB_NAME_MAX]) {
        const X509_NAME *subject = X509_get_subject_name(crt);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        const ASN1_STRING *cn;
        char name[HB_NAME_MAX] = "";
        int len;

        if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
                return false; /* none, or several */
        cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        len = ASN1_STRING_length(cn);
        if (len <= 0 || len >= HB_NAME_MAX || memchr(ASN1_STRING_get0_data(cn), '\0', (size_t)len))
                return false;
        memcpy(name, ASN1_STRING_get0_data(cn), (size_t)len);
        if (!hb_name_ok(name) || !has_dns_name(crt, name))
                return false;
        memcpy(ret, name, sizeof(name));
        return true;
}

void hb_tls_time_text(const ASN1_TIME *t, char *out, size_t size) {
        BIO *b = BIO_new(BIO_s_mem());
        int n = b && t && ASN1_TIME_print(b, t) == 1 ? BIO_read(b, out, (int)size - 1) : 0;

        out[n > 0 ? n : 0] = '\0';
        BIO_free(b);
}

/* What our own rules say of a certificate the chain check has passed. */
static int judge_name(const struct hb_tls_note *n) {
        if (!n->name[0])
                return X509_V_ERR_APPLICATION_VERIFICATION;
        if (n->expect[0] && strcmp(n->expect, n->name) != 0)
                return X509_V_ERR_HOSTNAME_MISMATCH;
        return X509_V_OK;
}

static void remember(struct hb_tls_note *n, X509 *crt, int error) {
        n->verify_error = error;
        if (error == X509_V_ERR_CERT_HAS_EXPIRED)
                hb_tls_time_text(X509_get0_notAfter(crt), n->valid, sizeof(n->valid));
        if (error == X509_V_ERR_CERT_NOT_YET_VALID)
                hb_tls_time_text(X509_get0_notBefore(crt), n->valid, sizeof(n->valid));
}

int hb_tls_verify(int preverified, X509_STORE_CTX *ctx) {
        SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct hb_tls_note *n = ssl ? hb_tls_note_of(ssl) : NULL;
        X509 *crt = X509_STORE_CTX_get_current_cert(ctx);
        int error = X509_STORE_CTX_get_error(ctx);

        if (!n || !crt)
                return 0;
        if (X509_STORE_CTX_get_error_depth(ctx) == 0 && !hb_tls_cert_name(crt, n->name))
                n->name[0] = '\0';
        if (preverified && X509_STORE_CTX_get_error_depth(ctx) == 0) {
                error = judge_name(n);
                X509_STORE_CTX_set_error(ctx, error);
                preverified = error == X509_V_OK;
        }
        if (!preverified)
                remember(n, crt, error);
        return preverified;
}
