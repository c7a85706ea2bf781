/* state: what the console looked like when it was left: view, order, filter, picture. In
 * $XDG_STATE_HOME/harbinger/console.json (~/.local/state), which is this program's own file; the operator's
 * settings are never written. What cannot be read or understood there is as if it were not there: a state is
 * a convenience, no reason to refuse to start. */
#include "console/app.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MOST (256u << 10)

static int folder(char *buf, size_t size, bool make) {
        const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        int n;

        if (base && base[0] == '/')
                n = snprintf(buf, size, "%s/harbinger", base);
        else if (home && home[0] == '/')
                n = snprintf(buf, size, "%s/.local/state/harbinger", home);
        else
                return -ENOENT;
        if (n < 0 || (size_t)n >= size)
                return -ENAMETOOLONG;
        for (char *p = buf + 1; make && *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                mkdir(buf, 0700);
                *p = '/';
        }
        return make && mkdir(buf, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void get_text(const json_t *j, const char *key, char *buf, size_t size) {
        const char *s = json_string_value(json_object_get(j, key));

        if (s && strlen(s) < size)
                strcpy(buf, s);
}

static void get_memory(const json_t *j, struct hb_view_memory *m) {
        json_int_t plane = json_integer_value(json_object_get(j, "plane"));

        get_text(j, "subject", m->subject, sizeof(m->subject));
        get_text(j, "sort", m->order.sort, sizeof(m->order.sort));
        get_text(j, "filter", m->order.filter, sizeof(m->order.filter));
        get_text(j, "row", m->place.row, sizeof(m->place.row));
        m->order.descending = json_is_true(json_object_get(j, "descending"));
        m->follow = json_is_true(json_object_get(j, "follow"));
        if (plane >= 0 && plane < 16)
                m->plane = (uint32_t)plane;
}

void hb_app_state_load(struct hb_app *a) {
        char dir[PATH_MAX - 32], path[PATH_MAX];
        const char *name;
        json_t *j = NULL, *views;
        FILE *f = NULL;
        struct stat st;

        if (folder(dir, sizeof(dir), false) < 0)
                return;
        snprintf(path, sizeof(path), "%s/console.json", dir);
        f = fopen(path, "re");
        if (f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)STATE_MOST)
                j = json_loadf(f, 0, NULL);
        if (f)
                fclose(f);
        views = json_object_get(j, "views");
        for (unsigned i = 0; i < HB_VIEWS; i++)
                get_memory(json_object_get(views, hb_view_by_id((enum hb_view_id)i)->name), &a->memory[i]);
        name = json_string_value(json_object_get(j, "view"));
        for (unsigned i = 0; name && i < HB_VIEWS; i++)
                if (strcmp(hb_view_by_id((enum hb_view_id)i)->name, name) == 0)
                        a->view = (enum hb_view_id)i;
        name = json_string_value(json_object_get(j, "glyphs"));
        if (name && a->config->glyphs < 0)
                hb_glyphs_from_name(name, &a->glyphs);
        if (!a->utf8)
                a->glyphs = HB_GLYPHS_ASCII;
        json_decref(j);
}

static json_t *put_memory(const struct hb_view_memory *m) {
        return json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:i}", "subject", m->subject, "sort", m->order.sort,
                         "filter", m->order.filter, "row", m->place.row, "descending", m->order.descending,
                         "follow", m->follow, "plane", (int)m->plane);
}

static json_t *state_json(const struct hb_app *a) {
        json_t *views = json_object(), *m;

        for (unsigned i = 0; i < HB_VIEWS; i++) {
                m = put_memory(&a->memory[i]); /* NULL: a name that is no UTF-8; then without */
                if (m)
                        json_object_set_new(views, hb_view_by_id((enum hb_view_id)i)->name, m);
        }
        return json_pack("{s:s,s:s,s:o}", "view", hb_view_by_id(a->view)->name, "glyphs",
                         hb_glyphs_name(a->glyphs), "views", views);
}

int hb_app_state_save(const struct hb_app *a, struct hb_err *e) {
        char dir[PATH_MAX - 64], path[PATH_MAX], fresh[PATH_MAX];
        json_t *j = state_json(a);
        int r, fd = -1;
        FILE *f = NULL;

        if (!j)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        r = folder(dir, sizeof(dir), true);
        if (r < 0)
                goto end;
        snprintf(path, sizeof(path), "%s/console.json", dir);
        snprintf(fresh, sizeof(fresh), "%s/console.XXXXXX", dir);
        fd = mkostemp(fresh, O_CLOEXEC);
        f = fd >= 0 ? fdopen(fd, "w") : NULL;
        r = !f ? -errno : json_dumpf(j, f, JSON_INDENT(2)) < 0 || fflush(f) != 0 ? -EIO : 0;
        if (f)
                fclose(f);
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r < 0 && fd >= 0)
                unlink(fresh);
end:
        json_decref(j);
        return r < 0 ? hb_err_set(e, r, dir, "set XDG_STATE_HOME to a folder you may write",
                                  "what the console looked like is not remembered: %s", strerror(-r))
                     : 0;
}
