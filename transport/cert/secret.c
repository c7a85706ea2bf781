/* secret: made once, loaded at each start.
 *
 * Invariant: at no moment may others than the owner read the file, whatever the umask; one that they might
 * have read is refused, for its fingerprints could be tried out by them. The bytes are wiped from our
 * buffers. Blocking file work; any thread. */
#include "cert/secret.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT (2 * HB_SECRET_SIZE + 1) /* with the line feed */

static const char next_make[] = "make one with `harbinger cert secret --dir DIR` and copy it to every host";

static void to_text(const uint8_t secret[HB_SECRET_SIZE], char out[TEXT + 1]) {
        for (unsigned i = 0; i < HB_SECRET_SIZE; i++)
                snprintf(out + 2 * i, 3, "%02x", secret[i]);
        out[TEXT - 1] = '\n';
        out[TEXT] = '\0';
}

static int digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int from_text(const char *text, uint8_t out[HB_SECRET_SIZE]) {
        for (unsigned i = 0; i < HB_SECRET_SIZE; i++) {
                int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EBADMSG;
                out[i] = (uint8_t)(high << 4 | low);
        }
        return 0;
}

static int write_text(int fd, const char *text) {
        ssize_t n = hb_fault("secret.write") ? (errno = ENOSPC, -1) : write(fd, text, TEXT);

        if (n != TEXT)
                return n < 0 ? -errno : -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

int hb_secret_make(const char *dir, struct hb_err *e) {
        uint8_t secret[HB_SECRET_SIZE];
        char path[PATH_MAX], text[TEXT + 1];
        int fd, r;

        if (snprintf(path, sizeof(path), "%s/%s", dir, HB_SECRET_FILE) >= (int)sizeof(path))
                return hb_err_set(e, -ENAMETOOLONG, dir, "use a shorter path",
                                  "the folder's path is too long");
        if (hb_fault("secret.random") || getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
                return hb_err_set(e, -EIO, path, "try again", "no random numbers from the kernel");
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = -errno;
        if (fd < 0)
                return r == -EEXIST ? hb_err_set(e, r, path, "use it, or move it away first on every host",
                                                 "there is a secret already")
                                    : hb_err_set(e, r, path, "check that the folder exists and is writable",
                                                 "cannot create the file: %s", strerror(-r));
        to_text(secret, text);
        r = write_text(fd, text);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        OPENSSL_cleanse(secret, sizeof(secret));
        OPENSSL_cleanse(text, sizeof(text));
        if (r == 0)
                return 0;
        unlink(path);
        return hb_err_set(e, r, path, "free space on that disk and try again",
                          "the file could not be written");
}

static int check_file(int fd, const char *path, struct hb_err *e) {
        struct stat st;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return hb_err_set(e, -EBADMSG, path, next_make, "the cluster's secret is not a file");
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return hb_err_set(e, -EACCES, path, "chown it to the user harbingerd runs as",
                                  "the cluster's secret belongs to another user (uid %u)",
                                  (unsigned)st.st_uid);
        if (st.st_mode & 077)
                return hb_err_set(e, -EACCES, path,
                                  "chmod 600 it; if others may have read it, make a new one",
                                  "others than its owner may use the cluster's secret (mode %o)",
                                  (unsigned)(st.st_mode & 0777));
        return 0;
}

int hb_secret_load(const char *path, uint8_t ret[HB_SECRET_SIZE], struct hb_err *e) {
        uint8_t secret[HB_SECRET_SIZE];
        char text[TEXT + 1];
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = -errno;
        ssize_t n;

        if (fd < 0)
                return hb_err_set(e, r, path, next_make, "cannot open the cluster's secret: %s",
                                  strerror(-r));
        r = check_file(fd, path, e);
        if (r < 0) {
                close(fd);
                return r;
        }
        n = read(fd, text, sizeof(text));
        close(fd);
        /* without its line feed it is whole, too: editors and secret stores take it away */
        r = (n == TEXT && text[TEXT - 1] == '\n') || n == TEXT - 1 ? from_text(text, secret) : -EBADMSG;
        if (r < 0)
                hb_err_set(e, r, path, next_make,
                           "the file does not hold a cluster's secret (64 hexadecimal digits)");
        else
                memcpy(ret, secret, sizeof(secret));
        OPENSSL_cleanse(secret, sizeof(secret));
        OPENSSL_cleanse(text, sizeof(text));
        return r;
}
