/* policy_watch: a policy's file that changes is loaded into shadow, never made active. Of interest are the
 * files of those who are active or shadow (and what these use): a new file is nobody's wish yet.
 *
 * Editors write beside and rename, write in place, or remove and make anew; each of these ends in an event of
 * the folder. They are gathered until none has come for DEBOUNCE_MS, then the files' bytes are looked at: a
 * version that stands in a place already is no change, whatever the file went through. Loop thread. */
#include "base/log.h"
#include "daemon/policy_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define DEBOUNCE_MS 250
#define FOLDERS     (HB_POLICY_KINDS + 1)
#define WATCHED     (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct hb_policy_watch {
        hb_policy_registry *reg;
        int fd, folder[FOLDERS]; /* watch descriptors, -1: not there */
        struct event *readable, *quiet;
};

static const char *folder_name(unsigned i) {
        return i < HB_POLICY_KINDS ? hb_policy_folder((enum hb_policy_kind)i) : "lib";
}

/* ---- what came of it ---- */

static void refused(hb_policy_registry *reg, struct hb_registry_kind *k, const struct hb_policy_wish *w,
                    const struct hb_err *e) {
        char line[256];
        bool again = k->trouble.code && strcmp(k->trouble.what, e->what) == 0 &&
                     strcmp(k->trouble_name, w->name) == 0;
        k->trouble = *e;
        snprintf(k->trouble_name, sizeof k->trouble_name, "%s", w->name);
        if (!again)
                hb_policy_event(reg, k->kind, "refused", "watch", NULL, w->why, "",
                                hb_err_line(e, line, sizeof line));
}

static void watched(hb_policy_registry *reg, const struct hb_policy_wish *w, struct hb_policy_version *v,
                    const struct hb_err *e) {
        struct hb_registry_kind *k = &reg->kinds[w->kind];
        struct hb_policy_act a = {.verb = k->active ? HB_POLICY_DO_LOAD : HB_POLICY_DO_SETTINGS,
                                  .version = v,
                                  .who = "watch",
                                  .why = w->why};
        struct hb_err why = {0};
        if (!v) {
                refused(reg, k, w, e);
                return;
        }
        k->trouble.code = 0;
        if (v == k->active || v == k->shadow)
                return;
        if (hb_policy_act(reg, k, &a, &why) < 0)
                refused(reg, k, w, &why);
}

/* False: as it was when it was last looked at. */
static bool is_news(struct hb_registry_kind *k, const char *name, const char *hash) {
        unsigned i = 0;
        while (i < HB_POLICY_SEEN && strcmp(k->seen[i].name, name) != 0)
                i++;
        if (i == HB_POLICY_SEEN)
                i = k->next_seen++ % HB_POLICY_SEEN;
        else if (strcmp(k->seen[i].hash, hash) == 0)
                return false;
        snprintf(k->seen[i].name, sizeof k->seen[i].name, "%s", name);
        snprintf(k->seen[i].hash, sizeof k->seen[i].hash, "%s", hash);
        return true;
}

static bool stands(const struct hb_policy_version *v, const char *hash) {
        return v && strcmp(v->hash, hash) == 0;
}

void hb_policy_watch_seen(struct hb_registry_kind *k, const char *name, const char *hash) {
        is_news(k, name, hash);
}

static void look_at(hb_policy_registry *reg, struct hb_registry_kind *k, const char *name) {
        struct hb_policy_wish w = {.kind = k->kind};
        struct hb_policy_source s = {0};
        struct hb_err e = {0};
        snprintf(w.name, sizeof w.name, "%s", name);
        snprintf(w.dir, sizeof w.dir, "%s", reg->d->settings->policy_dir);
        snprintf(w.why, sizeof w.why, "its file has changed");
        if (hb_policy_source_read(w.dir, w.kind, w.name, &s, &e) < 0) {
                refused(reg, k, &w, &e);
                return;
        }
        if (is_news(k, name, s.hash) && !stands(k->active, s.hash) && !stands(k->shadow, s.hash))
                hb_policy_check(reg, &w, watched);
        hb_policy_source_free(&s);
}

/* The shadow's file last: when both have changed it is the one somebody works at. */
static void on_quiet(evutil_socket_t fd, short what, void *arg) {
        hb_policy_watch *w = arg;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                struct hb_registry_kind *k = &w->reg->kinds[i];
                if (!k->active || !k->shadow || strcmp(k->active->name, k->shadow->name) != 0)
                        look_at(w->reg, k, k->active ? k->active->name : k->configured);
                if (k->shadow)
                        look_at(w->reg, k, k->shadow->name);
        }
}

/* ---- events ---- */

static bool matters(const char *name) {
        size_t n = strlen(name);
        return n > 4 && strcmp(name + n - 4, ".lua") == 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
        hb_policy_watch *w = arg;
        _Alignas(struct inotify_event) char buf[4096];
        struct timeval tv = hb_timeval(hb_ms_to_ns(DEBOUNCE_MS));
        bool any = false;
        ssize_t n;
        while ((n = read(fd, buf, sizeof buf)) > 0)
                for (char *p = buf; p < buf + n;) {
                        const struct inotify_event *ev = (const struct inotify_event *)p;
                        any |= (ev->mask & IN_Q_OVERFLOW) || (ev->len && matters(ev->name));
                        for (unsigned i = 0; i < FOLDERS; i++)
                                if (w->folder[i] == ev->wd && (ev->mask & (IN_IGNORED | IN_MOVE_SELF)))
                                        w->folder[i] = -1;
                        p += sizeof *ev + ev->len;
                }
        if (any)
                event_add(w->quiet, &tv);
}

/* True: a folder is watched that was not before. */
static bool watch_folders(hb_policy_watch *w) {
        char path[320];
        bool any = false;
        for (unsigned i = 0; i < FOLDERS; i++) {
                if (w->folder[i] >= 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", w->reg->d->settings->policy_dir, folder_name(i));
                w->folder[i] = inotify_add_watch(w->fd, path, WATCHED);
                any |= w->folder[i] >= 0;
        }
        return any;
}

void hb_policy_watch_tick(hb_policy_watch *w) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(DEBOUNCE_MS));
        if (w && watch_folders(w))
                event_add(w->quiet, &tv);
}

int hb_policy_watch_new(hb_policy_registry *reg, hb_policy_watch **ret, struct hb_err *e) {
        hb_policy_watch *w = calloc(1, sizeof *w);
        if (!w)
                return hb_err_set(e, -ENOMEM, "policies", NULL, "no memory to watch files");
        w->reg = reg;
        for (unsigned i = 0; i < FOLDERS; i++)
                w->folder[i] = -1;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        int r = w->fd < 0 ? -errno : 0;
        if (r == 0 &&
            (!(w->readable = event_new(reg->d->base, w->fd, EV_READ | EV_PERSIST, on_readable, w)) ||
             !(w->quiet = event_new(reg->d->base, -1, 0, on_quiet, w)) || event_add(w->readable, NULL) < 0))
                r = -ENOMEM;
        if (r < 0) {
                hb_policy_watch_free(w);
                return hb_err_set(e, r, "policies",
                                  "set fs.inotify.max_user_instances higher, or [policy] watch = no",
                                  "files cannot be watched: %s", hb_errno_name(r));
        }
        watch_folders(w);
        *ret = w;
        return 0;
}

hb_policy_watch *hb_policy_watch_free(hb_policy_watch *w) {
        if (!w)
                return NULL;
        if (w->readable)
                event_free(w->readable);
        if (w->quiet)
                event_free(w->quiet);
        if (w->fd >= 0)
                close(w->fd);
        free(w);
        return NULL;
}
