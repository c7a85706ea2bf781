/* source: reads a policy's file. Names come from settings and so may be anything; hb_name_ok keeps them
 * inside the folder. No state, any thread. */
#include "policy/source.h"
#include "base/fault.h"
#include "base/shape.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

const char *hb_policy_kind_name(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"predictor", "scorer", "threshold"};
        return (unsigned)k < HB_POLICY_KINDS ? names[k] : "unknown";
}

const char *hb_policy_folder(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"predict", "score", "threshold"};
        return names[k];
}

static void hash_of(const void *text, size_t size, char hash[33]) {
        XXH128_hash_t h = XXH3_128bits(text, size);
        snprintf(hash, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
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

static int read_file(int fd, struct hb_policy_source *s, struct hb_err *e) {
        struct stat st;
        int rc;

        if (fstat(fd, &st) < 0)
                return fail(-errno, s->path, e);
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EINVAL, s->path, "a policy is an ordinary file",
                                  "the policy is not a file");
        if (st.st_size > (off_t)HB_POLICY_SOURCE_MAX)
                return hb_err_set(e, -EFBIG, s->path, NULL, "the policy is larger than %u bytes",
                                  HB_POLICY_SOURCE_MAX);
        s->size = (size_t)st.st_size;
        s->text = malloc(s->size + 1);
        if (!s->text)
                return fail(-ENOMEM, s->path, e);
        rc = read_all(fd, s->text, s->size);
        return rc < 0 ? fail(rc, s->path, e) : 0;
}

int hb_policy_source_read(const char *dir, enum hb_policy_kind k, const char *name,
                          struct hb_policy_source *ret, struct hb_err *e) {
        struct hb_policy_source s = {0};
        int fd, rc;

        if (!dir || !*dir)
                return hb_err_set(e, -EINVAL, name, "set the policy folder",
                                  "no folder to load policies from");
        if (!hb_name_ok(name))
                return hb_err_set(e, -EINVAL, name, "names are 1 to 63 letters, digits, '.', '_' or '-'",
                                  "not a name of a %s", hb_policy_kind_name(k));
        snprintf(s.path, sizeof s.path, "%s/%s/%s.lua", dir, hb_policy_folder(k), name);
        snprintf(s.chunk, sizeof s.chunk, "%s/%s.lua", hb_policy_folder(k), name);
        fd = open(s.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT ? missing(dir, k, name, s.path, e) : fail(-errno, s.path, e);
        rc = read_file(fd, &s, e);
        close(fd);
        if (rc < 0) {
                hb_policy_source_free(&s);
                return rc;
        }
        hash_of(s.text, s.size, s.hash);
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
        hash_of(s.text, s.size, s.hash);
        *ret = s;
        return 0;
}

void hb_policy_source_free(struct hb_policy_source *s) {
        free(s->text);
        s->text = NULL;
}
