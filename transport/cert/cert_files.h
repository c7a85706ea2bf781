/* cert_files: PEM files of keys and certificates; inside cert/ only. */
#pragma once
#include "base/err.h"
#include <openssl/types.h>

int hb_cert_write_key(const char *path, EVP_PKEY *key, struct hb_err *e); /* 0600, O_EXCL */
int hb_cert_write_crt(const char *path, X509 *crt, struct hb_err *e);     /* 0644, O_EXCL */
int hb_cert_load_key(const char *path, EVP_PKEY **ret, struct hb_err *e);
int hb_cert_load_crt(const char *path, X509 **ret, struct hb_err *e);
