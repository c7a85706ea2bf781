/* keep: the screen, the view's data or its table into a new file where the operator stands. Never over a file
 * that is there: the name gets a number then. */
#include "console/app.h"
#include "draw/doc_out.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *make(const char *view, const char *kind, const char *end, char *path, size_t size) {
        char stamp[32];
        time_t t = time(NULL);
        struct tm tm;

        localtime_r(&t, &tm);
        strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
        for (unsigned i = 0; i < 100; i++) {
                char number[8] = "";
                int fd;

                if (i > 0)
                        snprintf(number, sizeof(number), "-%u", i + 1);
                snprintf(path, size, "harbinger-%s%s-%s%s.%s", view, kind, stamp, number, end);
                fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                if (fd >= 0)
                        return fdopen(fd, "w");
                if (errno != EEXIST)
                        return NULL;
        }
        errno = EEXIST;
        return NULL;
}

static int write_it(struct hb_app *a, enum hb_action what, FILE *f) {
        json_t *j;
        int r;

        if (what == HB_DO_SAVE)
                return a->surface ? hb_surface_write(a->surface, f) : hb_doc_plain(a->doc, NULL, a->utf8, f);
        if (what == HB_DO_SAVE_CSV)
                return hb_doc_csv(a->doc, f);
        j = hb_doc_json(a->doc);
        if (!j)
                return -ENOMEM;
        r = json_dumpf(j, f, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0 || fputc('\n', f) == EOF ? -EIO : 0;
        json_decref(j);
        return r;
}

void hb_app_keep(struct hb_app *a, enum hb_action what) {
        const char *end = what == HB_DO_SAVE ? "txt" : what == HB_DO_SAVE_CSV ? "csv" : "json";
        char path[160], dir[200];
        FILE *f;
        int r;

        if (!a->doc)
                return;
        f = make(hb_app_view(a)->name, "", end, path, sizeof(path));
        if (!f) {
                hb_app_say(a, HB_STYLE_BAD, "not saved: %s (%s): start the console where you may write",
                           strerror(errno), getcwd(dir, sizeof(dir)) ? dir : ".");
                return;
        }
        r = write_it(a, what, f);
        if (fflush(f) != 0 && r == 0)
                r = -EIO;
        if (fclose(f) != 0 && r == 0)
                r = -errno;
        if (r < 0) {
                unlink(path); /* ours, and not whole */
                hb_app_say(a, HB_STYLE_BAD, "not saved: %s (%s)", strerror(-r), path);
                return;
        }
        hb_app_say(a, HB_STYLE_GOOD, "saved: %s", path);
}
