/* cert_make: builds keys and certificates in memory; inside cert/ and its tests only. */
#pragma once
#include "base/err.h"
#include <openssl/types.h>

#define HB_CERT_MAX_DAYS 36500

int hb_cert_new_key(EVP_PKEY **ret, struct hb_err *e);
int hb_cert_new_ca(const char *cluster, int days, EVP_PKEY *key, X509 **ret, struct hb_err *e);
int hb_cert_new_host(const char *host, int days, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, X509 **ret,
                     struct hb_err *e);

/* As hb_cert_make_*, with days <= 0 too: what tests need for an expired certificate (valid from |days| + 1
 * days ago until |days| days ago; -1: until yesterday), and days > 1000000 for one that is not valid yet. */
int hb_cert_make_ca_for(const char *dir, const char *cluster, int days, struct hb_err *e);
int hb_cert_make_host_for(const char *dir, const char *host, int days, struct hb_err *e);
#define HB_CERT_DAYS_NOT_YET 2000000
