/* cert_files: reads and writes the PEM files.
 *
 * Invariant: a file that could not be written whole (full disk) is removed again. A key's mode is given to
 * open(), so it is at no moment readable by others whatever the umask. Blocking; any thread. */
#include "cert/cert_files.h"
#include "base/fault.h"
#include "cert/cert.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int create(const char *path, mode_t mode, FILE **ret, struct hb_err *e) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        int code = -errno;

        if (fd < 0 && code == -EEXIST)
                return hb_err_set(e, code, path, "use it, or move it away first if it is to be replaced",
                                  "there is a file of this name already");
        if (fd < 0)
                return hb_err_set(e, code, path, "check that the folder exists and is writable",
                                  "cannot create the file: %s", strerror(-code));
        *ret = fdopen(fd, "w");
        if (!*ret) {
                close(fd);
                return hb_err_set(e, -ENOMEM, path, NULL, "out of memory");
        }
        return 0;
}

/* Closes; what did not reach the disk is no certificate. */
static int settle(FILE *f, const char *path, bool written, struct hb_err *e) {
        bool ok = written && !hb_fault("cert.flush") && fflush(f) == 0 && fsync(fileno(f)) == 0;
        int code = errno ? -errno : -EIO;

        ok = fclose(f) == 0 && ok;
        if (ok)
                return 0;
        unlink(path);
        return hb_err_set(e, code, path, "free space on that disk and try again",
                          "the file could not be written");
}

int hb_cert_write_key(const char *path, EVP_PKEY *key, struct hb_err *e) {
        FILE *f;
        int rc = create(path, 0600, &f, e);

        if (rc < 0)
                return rc;
        errno = 0;
        return settle(f, path, PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1, e);
}

int hb_cert_write_crt(const char *path, X509 *crt, struct hb_err *e) {
        FILE *f;
        int rc = create(path, 0644, &f, e);

        if (rc < 0)
                return rc;
        errno = 0;
        return settle(f, path, PEM_write_X509(f, crt) == 1, e);
}

static int open_read(const char *path, FILE **ret, struct hb_err *e) {
        FILE *f = fopen(path, "re");
        int code = -errno;

        if (!f)
                return hb_err_set(e, code, path, "check the path and who may read it",
                                  "cannot open the file: %s", strerror(-code));
        *ret = f;
        return 0;
}

static int not_pem(const char *path, const char *what, struct hb_err *e) {
        ERR_clear_error();
        return hb_err_set(e, -EBADMSG, path, "give a PEM file, as `harbinger cert` makes it",
                          "the file holds no %s", what);
}

/* A key with a pass phrase must not make a daemon wait at a prompt. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg) {
        return -1;
}

int hb_cert_load_key(const char *path, EVP_PKEY **ret, struct hb_err *e) {
        EVP_PKEY *key;
        FILE *f;
        int rc = open_read(path, &f, e);

        if (rc < 0)
                return rc;
        key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
        fclose(f);
        if (!key)
                return not_pem(path, "private key without a pass phrase", e);
        *ret = key;
        return 0;
}

int hb_cert_load_crt(const char *path, X509 **ret, struct hb_err *e) {
        X509 *crt;
        FILE *f;
        int rc = open_read(path, &f, e);

        if (rc < 0)
                return rc;
        crt = PEM_read_X509(f, NULL, no_passphrase, NULL);
        fclose(f);
        if (!crt)
                return not_pem(path, "certificate", e);
        *ret = crt;
        return 0;
}

static bool common_name(const X509_NAME *n, char *out, int size) {
        return X509_NAME_get_text_by_NID((X509_NAME *)n, NID_commonName, out, size) > 0;
}

static bool unix_time(const ASN1_TIME *t, long long *ret) {
        struct tm tm;

        if (ASN1_TIME_to_tm(t, &tm) != 1)
                return false;
        *ret = timegm(&tm);
        return true;
}

int hb_cert_read(const char *path, struct hb_cert_info *ret, struct hb_err *e) {
        struct hb_cert_info info = {0};
        X509 *crt = NULL;
        int rc = hb_cert_load_crt(path, &crt, e);

        if (rc < 0)
                return rc;
        if (common_name(X509_get_subject_name(crt), info.subject, sizeof(info.subject)) &&
            common_name(X509_get_issuer_name(crt), info.issuer, sizeof(info.issuer)) &&
            unix_time(X509_get0_notBefore(crt), &info.not_before) &&
            unix_time(X509_get0_notAfter(crt), &info.not_after))
                *ret = info;
        else
                rc = hb_err_set(e, -EBADMSG, path, "make a new one with `harbinger cert`",
                                "the certificate has no common name or no valid times");
        X509_free(crt);
        return rc;
}
