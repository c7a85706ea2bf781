/* odd_cert: certificates of a test cluster's CA that `harbinger cert` would never make. */
#pragma once
#include "cert/cert_files.h"
#include "cluster.h"
#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* FILE.crt and FILE.key in the cluster's folder; cn or san NULL: the certificate has none. */
static inline void cluster_add_odd(struct cluster *c, const char *file, const char *cn, const char *san) {
        char path[128];
        EVP_PKEY *key, *ca_key;
        X509 *x = X509_new(), *ca;
        X509_EXTENSION *ext;
        struct hb_err e = {0};

        snprintf(path, sizeof(path), "%s/ca.crt", c->dir);
        cluster_must(hb_cert_load_crt(path, &ca, &e), &e);
        snprintf(path, sizeof(path), "%s/ca.key", c->dir);
        cluster_must(hb_cert_load_key(path, &ca_key, &e), &e);
        cluster_must(hb_cert_new_key(&key, &e), &e);
        X509_set_version(x, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
        X509_gmtime_adj(X509_getm_notBefore(x), -60);
        X509_gmtime_adj(X509_getm_notAfter(x), 86400);
        X509_set_pubkey(x, key);
        X509_set_issuer_name(x, X509_get_subject_name(ca));
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), cn ? "CN" : "O", MBSTRING_ASC,
                                   (const unsigned char *)(cn ? cn : "alpha"), -1, -1, 0);
        if (san) {
                ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
                X509_add_ext(x, ext, -1);
                X509_EXTENSION_free(ext);
        }
        if (X509_sign(x, ca_key, EVP_sha256()) <= 0)
                abort();
        snprintf(path, sizeof(path), "%s/%s.crt", c->dir, file);
        cluster_must(hb_cert_write_crt(path, x, &e), &e);
        snprintf(path, sizeof(path), "%s/%s.key", c->dir, file);
        cluster_must(hb_cert_write_key(path, key, &e), &e);
        X509_free(x);
        X509_free(ca);
        EVP_PKEY_free(key);
        EVP_PKEY_free(ca_key);
}
