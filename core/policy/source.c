/* source: reads a policy's file. Names come from settings and so may be anything; hb_name_ok keeps them
 * inside the folder. No state, any thread. */
#include "policy/source.h"
#include "base/fault.h"
#include "base/shape.h"
#include "policy/source_parts.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *hb_policy_kind_name(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"predictor", "scorer", "threshold"};
        return (unsigned)k < HB_POLICY_KINDS ? names[k] : "unknown";
}

const char *hb_policy_folder(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"predict", "score", "threshold"};
        return names[k];
}

static int is_policy(const struct dirent *d) {
        size_t n = strlen(d->d_name);
        return n > 4 && !strcmp(d->d_name + n - 4, ".lua");
}

/* "there are: adaptive, fixed, off" */
static void list_names(const char *dir, enum hb_policy_kind k, char *out, size_t size) {
        struct dirent **found;
        char folder[512];
        size_t at;
        int n;

        snprintf(folder, sizeof folder, "%s/%s", dir, hb_policy_folder(k));
        n = scandir(folder, &found, is_policy, alphasort);
        if (n <= 0)
                snprintf(out, size, "no policies in %.200s: check the policy folder's path", folder);
        at = n > 0 ? (size_t)snprintf(out, size, "there are:") : 0;
        for (int i = 0; i < n; i++) {
                int length = (int)strlen(found[i]->d_name) - 4;
                if (at < size)
                        at += (size_t)snprintf(out + at, size - at, "%s %.*s", i ? "," : "", length,
                                               found[i]->d_name);
                free(found[i]);
        }
        if (n >= 0)
                free(found);
}

static int missing(const char *dir, enum hb_policy_kind k, const char *name, const char *path,
                   struct hb_err *e) {
        char names[300];

        list_names(dir, k, names, sizeof names);
        return hb_err_set(e, -ENOENT, path, names, "there is no %s named '%s'", hb_policy_kind_name(k), name);
}

static int fail(int rc, const char *path, struct hb_err *e) {
        return hb_err_set(e, rc, path, "make the file readable for the daemon", "cannot read the policy: %s",
                          strerror(-rc));
}

static int read_all(int fd, char *text, size_t size) {
        size_t at = 0;

        while (at < size) {
                ssize_t n = hb_fault("policy.read") ? (errno = EIO, -1) : read(fd, text + at, size - at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ESTALE; /* it shrank under our hands */
                at += (size_t)n;
        }
        return 0;
}

static int read_open(int fd, const char *path, char **ret_text, size_t *ret_size, struct hb_err *e) {
        struct stat st;
        char *text;
        int rc;

        if (fstat(fd, &st) < 0)
                return fail(-errno, path, e);
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EINVAL, path, "a policy is an ordinary file",
                                  "the policy is not a file");
        if (st.st_size > (off_t)HB_POLICY_SOURCE_MAX)
                return hb_err_set(e, -EFBIG, path, NULL, "the policy is larger than %u bytes",
                                  HB_POLICY_SOURCE_MAX);
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return fail(-ENOMEM, path, e);
        rc = read_all(fd, text, (size_t)st.st_size);
        if (rc < 0) {
                free(text);
                return fail(rc, path, e);
        }
        *ret_text = text;
        *ret_size = (size_t)st.st_size;
        return 0;
}

int hb_policy_file_read(const char *path, char **ret_text, size_t *ret_size, struct hb_err *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

        if (fd < 0)
                return errno == ENOENT ? -ENOENT : fail(-errno, path, e);
        rc = read_open(fd, path, ret_text, ret_size, e);
        close(fd);
        return rc;
}

int hb_policy_source_read(const char *dir, enum hb_policy_kind k, const char *name,
                          struct hb_policy_source *ret, struct hb_err *e) {
        struct hb_policy_source s = {0};
        int rc;

        if (!dir || !*dir)
                return hb_err_set(e, -EINVAL, name, "set the policy folder",
                                  "no folder to load policies from");
        if (!hb_name_ok(name))
                return hb_err_set(e, -EINVAL, name, "names are 1 to 63 letters, digits, '.', '_' or '-'",
                                  "not a name of a %s", hb_policy_kind_name(k));
        snprintf(s.path, sizeof s.path, "%s/%s/%s.lua", dir, hb_policy_folder(k), name);
        snprintf(s.chunk, sizeof s.chunk, "%s/%s.lua", hb_policy_folder(k), name);
        rc = hb_policy_file_read(s.path, &s.text, &s.size, e);
        if (rc == -ENOENT)
                rc = missing(dir, k, name, s.path, e);
        if (rc == 0)
                rc = hb_policy_source_gather(dir, &s, e);
        if (rc < 0) {
                hb_policy_source_free(&s);
                return rc;
        }
        *ret = s;
        return 0;
}

int hb_policy_source_set(enum hb_policy_kind k, const char *name, const void *text, size_t size,
                         struct hb_policy_source *ret) {
        struct hb_policy_source s = {.size = size};

        if (!hb_name_ok(name) || size > HB_POLICY_SOURCE_MAX)
                return -EINVAL;
        s.text = malloc(size + 1);
        if (!s.text)
                return -ENOMEM;
        if (size)
                memcpy(s.text, text, size);
        snprintf(s.chunk, sizeof s.chunk, "%s/%s.lua", hb_policy_folder(k), name);
        snprintf(s.path, sizeof s.path, "%s", s.chunk);
        hb_policy_source_hash(&s);
        *ret = s;
        return 0;
}

void hb_policy_source_free(struct hb_policy_source *s) {
        free(s->text);
        for (unsigned i = 0; i < s->parts; i++)
                free(s->part[i].text);
        memset(s, 0, sizeof *s);
}
