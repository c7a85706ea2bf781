/* duplicates_files: fills the index from disk: with the prints of kept memory as they were written, and with
 * files that an operator named, which are read and printed whole. One job at a time, of the lowest priority;
 * a source that goes meanwhile ends its job at the next page. Files are looked at every ten seconds and read
 * again when their inode, size or time of change is another. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/duplicates_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_NS     (10 * HB_NS_PER_S)
#define SIDE        64u
#define LOWEST_NICE 19

struct fill {
        struct hb_duplicates *x;
        struct hb_dup_source *source;
        char dir[256];
};

static bool over(const struct fill *f) {
        return atomic_load(&f->source->gone) || atomic_load(&f->x->stopping);
}

static void put(struct fill *f, uint64_t page, const struct hb_print *p) {
        if (hb_dup_is_zero(f->x, p))
                return;
        hb_dup_put(f->x, f->source->owner, page, p);
        atomic_fetch_add(&f->source->indexed, 1);
}

static int on_kept(void *arg, uint64_t gfn, const struct hb_print *p) {
        struct fill *f = arg;

        if (over(f))
                return -ECANCELED;
        put(f, gfn, p);
        return 0;
}

static int read_file(struct fill *f) {
        const struct hb_dup_part *p = &f->source->parts[0];
        uint8_t *pages = aligned_alloc(HB_PAGE_SIZE, SIDE * HB_PAGE_SIZE);
        struct hb_print prints[SIDE];
        int r = pages ? 0 : -ENOMEM;

        for (uint64_t at = 0; r == 0 && at < p->pages && !over(f);) {
                off_t data = lseek(p->fd, (off_t)(at * HB_PAGE_SIZE), SEEK_DATA);
                uint64_t n;

                if (data < 0 && errno == ENXIO)
                        break;
                if (data >= 0)
                        at = (uint64_t)data / HB_PAGE_SIZE;
                if (at >= p->pages)
                        break;
                n = p->pages - at < SIDE ? p->pages - at : SIDE;
                r = hb_fault("duplicates.file") ? -EIO : hb_dup_source_read(f->source, at, n, pages);
                if (r == 0) {
                        hb_fingerprint_pages(f->x->f, pages, n, prints);
                        for (uint64_t i = 0; i < n; i++)
                                put(f, at + i, &prints[i]);
                }
                at += n;
        }
        free(pages);
        return r;
}

static int fill_work(void *arg) {
        struct fill *f = arg;

        hb_dup_low_priority(LOWEST_NICE);
        if (over(f))
                return 0;
        return f->source->kind == HB_DUP_KEPT ? hb_keep_prints(f->dir, &f->source->kept, on_kept, f)
                                              : read_file(f);
}

static void fill_done(void *owner, void *arg, int rc) {
        struct fill *f = arg;

        if (rc < 0 && !over(f))
                hb_log(HB_LOG_WARNING, "looking for duplicates in %s: %s", f->source->name, strerror(-rc));
        else if (!over(f))
                hb_log(HB_LOG_INFO, "duplicates: %llu pages of %s are known",
                       (unsigned long long)atomic_load(&f->source->indexed), f->source->name);
}

static void fill_drop(void *arg) {
        struct fill *f = arg;

        hb_dup_source_unref(f->source);
        free(f);
}

static const struct hb_job_ops fill_job = {fill_work, fill_done, fill_drop};

int hb_dup_fill(struct hb_duplicates *x, struct hb_dup_source *s) {
        struct fill *f = calloc(1, sizeof *f);

        if (!f)
                return -ENOMEM;
        f->x = x;
        f->source = hb_dup_source_ref(s);
        if (x->keep)
                snprintf(f->dir, sizeof f->dir, "%s", hb_keep_dir(x->keep));
        return hb_jobs_run(x->filling, &fill_job, f);
}

/* ---- files that an operator named ---- */

static struct hb_dup_source *file_named(struct hb_duplicates *x, const char *path) {
        for (struct hb_dup_source *s = x->sources; s; s = s->next)
                if (s->kind == HB_DUP_FILE && strcmp(s->name, path) == 0)
                        return s;
        return NULL;
}

static uint64_t mtime_of(const struct stat *st) {
        return (uint64_t)st->st_mtim.tv_sec * HB_NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;
}

static void take_file(struct hb_duplicates *x, const char *path, const struct stat *st) {
        struct hb_dup_part part = {.pages = (uint64_t)st->st_size / HB_PAGE_SIZE,
                                   .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
        struct hb_dup_source *s;

        if (part.pages > HB_MAX_PAGES)
                part.pages = HB_MAX_PAGES;
        if (part.fd < 0 || hb_dup_source_new(x, HB_DUP_FILE, path, &part, 1, &s) < 0) {
                hb_log(HB_LOG_WARNING, "[duplicates] files: %s cannot be read", path);
                return;
        }
        s->dev = st->st_dev;
        s->ino = st->st_ino;
        s->size = (uint64_t)st->st_size;
        s->mtime_ns = mtime_of(st);
        hb_dup_fill(x, s);
}

static void look_at(struct hb_duplicates *x, const char *path) {
        struct hb_dup_source *s = file_named(x, path);
        struct stat st;
        bool there = stat(path, &st) == 0 && S_ISREG(st.st_mode);

        if (s && there && s->dev == st.st_dev && s->ino == st.st_ino && s->size == (uint64_t)st.st_size &&
            s->mtime_ns == mtime_of(&st))
                return;
        hb_dup_source_drop(x, s);
        if (there && st.st_size >= (off_t)HB_PAGE_SIZE)
                take_file(x, path, &st);
}

static bool listed(const char *list, const char *path) {
        size_t n = strlen(path);

        for (const char *at = strstr(list, path); at; at = strstr(at + 1, path))
                if ((at == list || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
                        return true;
        return false;
}

static struct hb_dup_source *unlisted(struct hb_duplicates *x, const char *list) {
        for (struct hb_dup_source *s = x->sources; s; s = s->next)
                if (s->kind == HB_DUP_FILE && !listed(list, s->name))
                        return s;
        return NULL;
}

void hb_dup_files_look(struct hb_duplicates *x, uint64_t now) {
        const char *list = x->d->settings->find_duplicates ? x->d->settings->duplicate_files : "";
        char words[sizeof x->d->settings->duplicate_files], *rest = words, *path;
        struct hb_dup_source *s;

        if (x->files_at_ns && now - x->files_at_ns < LOOK_NS)
                return;
        x->files_at_ns = now;
        while ((s = unlisted(x, list)))
                hb_dup_source_drop(x, s);
        snprintf(words, sizeof words, "%s", list);
        while ((path = strsep(&rest, " \t")))
                if (*path)
                        look_at(x, path);
}
