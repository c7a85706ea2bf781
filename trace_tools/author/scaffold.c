/* scaffold: both files or none. They are made with O_EXCL, so that nobody's work is overwritten, whoever is
 * faster. No state, any thread. */
#include "author/scaffold.h"
#include "base/fault.h"
#include "base/shape.h"
#include "policy/source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "@NAME@"

static int failed(int rc, const char *path, struct hb_err *e) {
        if (rc == -EEXIST)
                return hb_err_set(e, rc, path, "choose another name, or move the file away",
                                  "the file is there already; nothing was written");
        return hb_err_set(e, rc, path, "choose a folder you may write to with --dir", "cannot write: %s",
                          strerror(-rc));
}

static int make_folder(const char *path, struct hb_err *e) {
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
                return failed(-errno, path, e);
        return 0;
}

static int write_text(FILE *f, const char *text, const char *name) {
        const char *mark;

        for (; (mark = strstr(text, MARK)); text = mark + strlen(MARK))
                fprintf(f, "%.*s%s", (int)(mark - text), text, name);
        fputs(text, f);
        if (fflush(f) || ferror(f) || hb_fault("author.write"))
                return -EIO;
        return 0;
}

static int write_file(const char *path, const char *text, const char *name, struct hb_err *e) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;
        FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

        if (!f) {
                rc = -errno;
                if (fd >= 0)
                        close(fd);
                return failed(rc, path, e);
        }
        rc = write_text(f, text, name);
        if (fclose(f) && rc == 0)
                rc = -errno;
        if (rc < 0) {
                unlink(path);
                return failed(rc, path, e);
        }
        return 0;
}

static int name_files(enum hb_policy_kind kind, const char *name, const char *dir, struct hb_author_files *f,
                      char folders[2][PATH_MAX], struct hb_err *e) {
        int n = snprintf(f->policy, sizeof(f->policy), "%s/%s/%s.lua", dir, hb_policy_folder(kind), name);
        int m = snprintf(f->spec, sizeof(f->spec), "%s/spec/%s_spec.lua", dir, name);

        if (n >= PATH_MAX || m >= PATH_MAX)
                return hb_err_set(e, -ENAMETOOLONG, dir, NULL, "the folder's path is too long");
        snprintf(folders[0], PATH_MAX, "%s/%s", dir, hb_policy_folder(kind));
        snprintf(folders[1], PATH_MAX, "%s/spec", dir);
        for (int k = 0; k < 2; k++)
                if (access(k ? f->spec : f->policy, F_OK) == 0)
                        return failed(-EEXIST, k ? f->spec : f->policy, e);
        return 0;
}

int hb_author_scaffold(enum hb_policy_kind kind, const char *name, const char *dir,
                       struct hb_author_files *ret, struct hb_err *e) {
        char folders[2][PATH_MAX];
        struct hb_author_files f;
        int rc;

        if (!hb_name_ok(name))
                return hb_err_set(e, -EINVAL, name, "names are 1 to 63 letters, digits, '.', '_' or '-'",
                                  "not a name of a policy");
        rc = name_files(kind, name, dir, &f, folders, e);
        if (rc == 0)
                rc = make_folder(dir, e);
        for (int k = 0; rc == 0 && k < 2; k++)
                rc = make_folder(folders[k], e);
        if (rc == 0)
                rc = write_file(f.policy, hb_author_policy_text[kind], name, e);
        if (rc < 0)
                return rc;
        rc = write_file(f.spec, hb_author_spec_text[kind], name, e);
        if (rc < 0) {
                unlink(f.policy);
                return rc;
        }
        *ret = f;
        return 0;
}
