/* cert_make: ECDSA P-256 keys and X.509 v3 certificates signed with SHA-256.
 *
 * Invariant: the authority may sign hosts and nothing below them (pathlen 0); a host's certificate can sign
 * nothing and serves both as TLS server and as client. Valid from five minutes ago, so that clocks a little
 * apart do not refuse a new certificate. Serial numbers are 159 random bits: no register is needed. Any
 * thread. */
#include "cert/cert_make.h"
#include "base/fault.h"
#include "base/shape.h"
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#define SKEW_S      300
#define DAY_S       86400L
#define SERIAL_BITS 159
#define VERSION_3   2

static int no_crypto(struct hb_err *e, const char *doing) {
        return hb_err_set(e, -EIO, NULL, "check the OpenSSL installation", "OpenSSL cannot %s", doing);
}

int hb_cert_new_key(EVP_PKEY **ret, struct hb_err *e) {
        EVP_PKEY *key = hb_fault("cert.key") ? NULL : EVP_EC_gen("P-256");

        if (!key)
                return no_crypto(e, "make an ECDSA P-256 key");
        *ret = key;
        return 0;
}

static int set_serial(X509 *x) {
        BIGNUM *n = BN_new();
        int ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
                 BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));

        BN_free(n);
        return ok;
}

static int set_times(X509 *x, int days) {
        time_t now = time(NULL), from = now - SKEW_S, until = now + days * DAY_S;

        if (days <= 0)
                from = until - DAY_S;
        if (days >= HB_CERT_DAYS_NOT_YET) {
                from = now + DAY_S;
                until = now + 2 * DAY_S;
        }
        return ASN1_TIME_set(X509_getm_notBefore(x), from) && ASN1_TIME_set(X509_getm_notAfter(x), until);
}

static int set_subject(X509 *x, const char *field, const char *text) {
        X509_NAME *n = X509_get_subject_name(x);

        return X509_NAME_add_entry_by_txt(n, field, MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
}

static int add_ext(X509 *x, X509 *issuer, int nid, const char *value) {
        X509V3_CTX ctx;
        X509_EXTENSION *ext;
        int ok;

        X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
        ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        ok = ext && X509_add_ext(x, ext, -1);
        X509_EXTENSION_free(ext);
        return ok;
}

static X509 *blank(const char *name, int days, EVP_PKEY *key) {
        X509 *x = X509_new();

        if (x && X509_set_version(x, VERSION_3) && set_serial(x) && set_times(x, days) &&
            set_subject(x, "CN", name) && X509_set_pubkey(x, key))
                return x;
        X509_free(x);
        return NULL;
}

int hb_cert_new_ca(const char *cluster, int days, EVP_PKEY *key, X509 **ret, struct hb_err *e) {
        X509 *x = blank(cluster, days, key);

        /* The organisation keeps the authority's name apart from a host's that is called like the cluster. */
        if (x && set_subject(x, "O", "Harbinger certificate authority") &&
            X509_set_issuer_name(x, X509_get_subject_name(x)) &&
            add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
            add_ext(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
            add_ext(x, x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256()) > 0) {
                *ret = x;
                return 0;
        }
        X509_free(x);
        return no_crypto(e, "make the authority's certificate");
}

int hb_cert_new_host(const char *host, int days, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, X509 **ret,
                     struct hb_err *e) {
        X509 *x = blank(host, days, key);
        char san[HB_NAME_MAX + 8];

        snprintf(san, sizeof(san), "DNS:%s", host);
        if (x && X509_set_issuer_name(x, X509_get_subject_name(ca)) &&
            add_ext(x, ca, NID_basic_constraints, "critical,CA:FALSE") &&
            add_ext(x, ca, NID_key_usage, "critical,digitalSignature") &&
            add_ext(x, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
            add_ext(x, ca, NID_subject_key_identifier, "hash") &&
            add_ext(x, ca, NID_authority_key_identifier, "keyid") &&
            add_ext(x, ca, NID_subject_alt_name, san) && X509_sign(x, ca_key, EVP_sha256()) > 0) {
                *ret = x;
                return 0;
        }
        X509_free(x);
        return no_crypto(e, "make the host's certificate");
}
