/* plan_stage: a folder of the plan's own with a copy of what its policies are made of: their files, the files
 * those use, the model they ask.
 *
 * Invariant: what runs is what was hashed: a file that is edited while the matrix runs changes nothing in it.
 * The folder also lets a file from anywhere stand beside named policies, which the policy host looks for in
 * one place. One folder in it a policy, so that files of one name never meet. It is removed with the plan; a
 * kill leaves some kilobytes in the temporary folder. */
#include "base/fault.h"
#include "compare/plan_priv.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL     "models/default.hbm"
#define MODEL_MAX (4u << 20)

static int stage_fail(const char *path, struct hb_err *e) {
        int r = errno ? -errno : -EIO;

        return hb_err_set(e, r, path, "set TMPDIR to a folder with some room", "cannot copy a policy: %s",
                          strerror(-r));
}

int hb_compare_stage_make(struct hb_compare_plan *p, struct hb_err *e) {
        const char *tmp = getenv("TMPDIR");
        char path[sizeof(p->stage)];

        if (!tmp || !*tmp || strlen(tmp) > sizeof(path) - 32)
                tmp = "/tmp";
        snprintf(path, sizeof(path), "%s/harbinger-compare-XXXXXX", tmp);
        if (hb_fault("compare.stage") || !mkdtemp(path))
                return stage_fail(path, e);
        memcpy(p->stage, path, sizeof(path));
        return 0;
}

int hb_compare_stage_folder(const struct hb_compare_plan *p, struct hb_compare_policy *to, struct hb_err *e) {
        snprintf(to->dir, sizeof(to->dir), "%s/%u", p->stage, p->npolicies);
        if (mkdir(to->dir, 0700) < 0 && errno != EEXIST)
                return stage_fail(to->dir, e);
        return 0;
}

/* ---- and gone again: the folder's folders hold files and nothing else ---- */

static void remove_files(const char *folder) {
        DIR *d = opendir(folder);
        char path[600];

        for (struct dirent *f; d && (f = readdir(d));) {
                snprintf(path, sizeof(path), "%.320s/%s", folder, f->d_name);
                if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
                        unlink(path);
        }
        if (d)
                closedir(d);
        rmdir(folder);
}

void hb_compare_unstage_one(const struct hb_compare_policy *policy) {
        DIR *d = policy->dir[0] ? opendir(policy->dir) : NULL;
        char path[600];

        for (struct dirent *f; d && (f = readdir(d));) {
                snprintf(path, sizeof(path), "%s/%s", policy->dir, f->d_name);
                if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
                        remove_files(path);
        }
        if (d)
                closedir(d);
        if (policy->dir[0])
                rmdir(policy->dir);
}

void hb_compare_unstage(struct hb_compare_plan *p) {
        for (unsigned i = 0; i < HB_COMPARE_MAX_POLICIES; i++)
                hb_compare_unstage_one(&p->policies[i]);
        if (p->stage[0])
                rmdir(p->stage);
}

/* ---- copies ---- */

static int write_file(const char *path, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ssize_t n = fd < 0 ? -1 : write(fd, data, size);
        int failed = n != (ssize_t)size;

        if (fd >= 0 && close(fd) < 0)
                failed = 1;
        return failed ? -1 : 0;
}

/* `name` is a folder and a file in it. A file that is there already was put there for another kind of the
 * same policy. */
static int put(const struct hb_compare_policy *to, const char *name, const void *data, size_t size,
               struct hb_err *e) {
        char path[sizeof(to->dir) + 120];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%.*s", to->dir, (int)strcspn(name, "/"), name);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return stage_fail(path, e);
        snprintf(path, sizeof(path), "%s/%.100s", to->dir, name);
        if (stat(path, &st) == 0 && st.st_size == (off_t)size)
                return 0;
        if (hb_fault("compare.stage") || write_file(path, data, size) < 0)
                return stage_fail(path, e);
        return 0;
}

static int put_parts(const struct hb_compare_policy *to, const struct hb_policy_source *s, struct hb_err *e) {
        char name[sizeof(s->part[0].name) + 8];
        int r = 0;

        for (unsigned i = 0; i < s->parts && r == 0; i++) {
                snprintf(name, sizeof(name), "%s.lua", s->part[i].name);
                r = put(to, name, s->part[i].text, s->part[i].size, e);
        }
        return r;
}

/* The model of the policy folder, into the copy and into the hash: another model, other answers. */
static int put_model(const char *dir, struct hb_compare_policy *to, int k, struct hb_err *e) {
        char path[600], *data = malloc(MODEL_MAX), hashes[80];
        ssize_t n = -1;
        int fd, r = 0;

        snprintf(path, sizeof(path), "%.500s/" MODEL, dir);
        fd = data ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
        if (fd >= 0) {
                n = read(fd, data, MODEL_MAX);
                close(fd);
        }
        if (n > 0)
                r = put(to, MODEL, data, (size_t)n, e);
        if (n > 0 && r == 0) {
                snprintf(hashes, sizeof(hashes), "%s ", to->hashes[k]);
                hb_compare_hash_text(data, (size_t)n, hashes + strlen(hashes));
                hb_compare_hash_text(hashes, strlen(hashes), to->hashes[k]);
        }
        free(data);
        return r;
}

int hb_compare_stage(const char *dir, struct hb_compare_policy *to, int k, const char *name,
                     const struct hb_policy_source *s, struct hb_err *e) {
        char file[96];
        int r;

        snprintf(to->names[k], sizeof(to->names[k]), "%s", name);
        snprintf(file, sizeof(file), "%s/%s.lua", hb_policy_folder(k), to->names[k]);
        r = put(to, file, s->text, s->size, e);
        if (r == 0)
                r = put_parts(to, s, e);
        memcpy(to->hashes[k], s->hash, sizeof(s->hash));
        if (r == 0 && dir && *dir && hb_policy_source_asks_model(s))
                r = put_model(dir, to, k, e);
        return r;
}
