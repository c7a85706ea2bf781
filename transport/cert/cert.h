/* cert: makes the cluster's CA and host certificates (ECDSA P-256, SHA-256). Writes keys 0600, never
 * overwrites. */
#pragma once
#include "base/err.h"

int hb_cert_make_ca(const char *dir, const char *cluster, int days,
                    struct hb_err *e); /* dir/ca.crt, dir/ca.key */
int hb_cert_make_host(const char *dir, const char *host, int days,
                      struct hb_err *e); /* dir/HOST.crt, dir/HOST.key */
struct hb_cert_info {
        char subject[64], issuer[64];
        long long not_before, not_after; /* Unix seconds */
};
int hb_cert_read(const char *path, struct hb_cert_info *ret, struct hb_err *e);
