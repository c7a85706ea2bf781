/* cert: the cluster's own certificate authority, small enough to be held in two files.
 *
 * Invariant: a file is made with O_EXCL and never replaced; keys are 0600 from their first byte; either both
 * files of a pair appear or none. A host's name is its CN and its only dNSName, which is what transport/tls.c
 * compares. No globals, blocking file work; any thread. */
#include "cert/cert.h"
#include "base/fault.h"
#include "base/shape.h"
#include "cert/cert_files.h"
#include "cert/cert_make.h"
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct pair {
        char crt[PATH_MAX], key[PATH_MAX];
};

static int check_name(const char *what, const char *name, struct hb_err *e) {
        if (hb_name_ok(name))
                return 0;
        return hb_err_set(e, -EINVAL, name, "use 1 to 63 of A-Z a-z 0-9 . _ - and begin with none of . -",
                          "not a valid name for a %s", what);
}

static int check_days(int days, struct hb_err *e) {
        if (days > 0 && days <= HB_CERT_MAX_DAYS)
                return 0;
        return hb_err_set(e, -ERANGE, NULL, "give a number of days from 1 to 36500",
                          "a certificate cannot be valid for %d days", days);
}

static int pair_paths(const char *dir, const char *name, struct pair *ret, struct hb_err *e) {
        int a = snprintf(ret->crt, sizeof(ret->crt), "%s/%s.crt", dir, name);
        int b = snprintf(ret->key, sizeof(ret->key), "%s/%s.key", dir, name);

        if (a < 0 || b < 0 || (size_t)a >= sizeof(ret->crt) || (size_t)b >= sizeof(ret->key))
                return hb_err_set(e, -ENAMETOOLONG, dir, "use a shorter path",
                                  "the folder's path is too long");
        return 0;
}

static int check_absent(const struct pair *p, struct hb_err *e) {
        const char *there = access(p->crt, F_OK) == 0 ? p->crt : access(p->key, F_OK) == 0 ? p->key : NULL;

        if (!there)
                return 0;
        return hb_err_set(e, -EEXIST, there, "use it, or move it away first if it is to be replaced",
                          "there is a file of this name already");
}

/* Both files or none. */
static int write_pair(const struct pair *p, X509 *crt, EVP_PKEY *key, struct hb_err *e) {
        int rc = hb_cert_write_key(p->key, key, e);

        if (rc < 0)
                return rc;
        rc = hb_fault("cert.write") ? hb_err_set(e, -EIO, p->crt, NULL, "cannot write the certificate")
                                    : hb_cert_write_crt(p->crt, crt, e);
        if (rc < 0)
                unlink(p->key);
        return rc;
}

int hb_cert_make_ca_for(const char *dir, const char *cluster, int days, struct hb_err *e) {
        EVP_PKEY *key = NULL;
        X509 *crt = NULL;
        struct pair p;
        int rc;

        if ((rc = check_name("cluster", cluster, e)) < 0 || (rc = pair_paths(dir, "ca", &p, e)) < 0 ||
            (rc = check_absent(&p, e)) < 0)
                return rc;
        rc = hb_cert_new_key(&key, e);
        if (rc == 0)
                rc = hb_cert_new_ca(cluster, days, key, &crt, e);
        if (rc == 0)
                rc = write_pair(&p, crt, key, e);
        X509_free(crt);
        EVP_PKEY_free(key);
        return rc;
}

int hb_cert_make_ca(const char *dir, const char *cluster, int days, struct hb_err *e) {
        int rc = check_days(days, e);

        return rc < 0 ? rc : hb_cert_make_ca_for(dir, cluster, days, e);
}

static int load_ca(const char *dir, X509 **ret_crt, EVP_PKEY **ret_key, struct hb_err *e) {
        struct pair p;
        int rc = pair_paths(dir, "ca", &p, e);

        if (rc == 0)
                rc = hb_cert_load_crt(p.crt, ret_crt, e);
        if (rc == 0)
                rc = hb_cert_load_key(p.key, ret_key, e);
        if (rc == -ENOENT)
                hb_err_set(e, rc, dir,
                           "make it once with `harbinger cert init`, on the machine that keeps its key",
                           "there is no certificate authority in this folder");
        if (rc == 0 && X509_check_private_key(*ret_crt, *ret_key) != 1)
                rc = hb_err_set(e, -EACCES, p.key, "restore the ca.key that was made together with ca.crt",
                                "the authority's key does not belong to its certificate");
        return rc;
}

int hb_cert_make_host_for(const char *dir, const char *host, int days, struct hb_err *e) {
        EVP_PKEY *ca_key = NULL, *key = NULL;
        X509 *ca = NULL, *crt = NULL;
        struct pair p;
        int rc;

        if ((rc = check_name("host", host, e)) < 0)
                return rc;
        if (strcmp(host, "ca") == 0)
                return hb_err_set(e, -EINVAL, host, "give the host another name",
                                  "a host cannot be named like the authority's own files");
        if ((rc = pair_paths(dir, host, &p, e)) < 0 || (rc = check_absent(&p, e)) < 0)
                return rc;
        rc = load_ca(dir, &ca, &ca_key, e);
        if (rc == 0)
                rc = hb_cert_new_key(&key, e);
        if (rc == 0)
                rc = hb_cert_new_host(host, days, key, ca, ca_key, &crt, e);
        if (rc == 0)
                rc = write_pair(&p, crt, key, e);
        X509_free(crt);
        X509_free(ca);
        EVP_PKEY_free(key);
        EVP_PKEY_free(ca_key);
        return rc;
}

int hb_cert_make_host(const char *dir, const char *host, int days, struct hb_err *e) {
        int rc = check_days(days, e);

        return rc < 0 ? rc : hb_cert_make_host_for(dir, host, days, e);
}
