/* keep: the list of kept memories and who has to go. Invariant: the list's bytes are within the budget
 * whenever hb_keep_make_room has said yes and what came in was no more than it was asked for; a smaller
 * budget counts from the next one on. Cost: a few comparisons a memory; there are tens of them. One thread.
 */
#include "keep/keep.h"
#include "base/clock.h"
#include "base/fault.h"
#include "keep/keep_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_NS      (86400.0 * (double)HB_NS_PER_S)
#define HOUR_NS     (3600.0 * (double)HB_NS_PER_S)
#define GOOD_ALWAYS 0.25
#define SUPERSEDED  0.1

struct hb_keep {
        char *dir;
        int lock_fd;
        uint64_t budget, bytes;
        struct hb_kept *list; /* oldest first */
        unsigned n, room;
};

static uint64_t bytes_of(const struct hb_kept *m) {
        return m->pages * HB_PAGE_SIZE;
}

/* ---- what it is worth ---- */

double hb_keep_worth(const struct hb_kept *m, unsigned newer, uint64_t now_wall_ns) {
        double age = now_wall_ns > m->visit_ns ? (double)(now_wall_ns - m->visit_ns) : 0;
        double departures = m->departures ? m->departures : 1;
        double half = m->absence_ns ? 2 * (double)m->absence_ns : DAY_NS;
        double back = departures / (departures + 2) * exp2(-age / half);
        double good = GOOD_ALWAYS + (1 - GOOD_ALWAYS) * exp2(-age / HOUR_NS);

        return back * good * pow(SUPERSEDED, newer);
}

unsigned hb_keep_newer(const hb_keep *k, const struct hb_kept *m) {
        unsigned newer = 0;

        for (unsigned i = 0; i < k->n; i++)
                newer += strcmp(k->list[i].guest, m->guest) == 0 && k->list[i].visit_ns > m->visit_ns;
        return newer;
}

/* ---- the list ---- */

int hb_keep_add(hb_keep *k, const struct hb_kept *m) {
        unsigned at = k->n;

        if (k->n == k->room) {
                unsigned room = k->room ? 2 * k->room : 16;
                struct hb_kept *list = hb_fault("keep.list") ? NULL : realloc(k->list, room * sizeof(*list));

                if (!list)
                        return -ENOMEM;
                k->list = list;
                k->room = room;
        }
        for (; at > 0 && k->list[at - 1].visit_ns > m->visit_ns; at--)
                k->list[at] = k->list[at - 1];
        k->list[at] = *m;
        k->n++;
        k->bytes += bytes_of(m);
        return 0;
}

static void unlink_files(const hb_keep *k, const struct hb_kept *m) {
        char path[HB_KEEP_PATH];

        /* first what makes the other one count */
        if (hb_keep_path(path, k->dir, m, "kept") == 0)
                unlink(path);
        if (hb_keep_path(path, k->dir, m, "mem") == 0)
                unlink(path);
}

int hb_keep_drop(hb_keep *k, const char *guest, uint64_t visit_ns) {
        for (unsigned i = 0; i < k->n; i++) {
                if (k->list[i].visit_ns != visit_ns || strcmp(k->list[i].guest, guest) != 0)
                        continue;
                unlink_files(k, &k->list[i]);
                k->bytes -= bytes_of(&k->list[i]);
                memmove(&k->list[i], &k->list[i + 1], (--k->n - i) * sizeof(*k->list));
                return 0;
        }
        return -ENOENT;
}

/* The one worth least, of those worth less than `below`; `gone` are out of the running. NULL: none. */
static const struct hb_kept *least(const hb_keep *k, const bool *gone, const struct hb_kept *coming,
                                   double below, uint64_t now, unsigned *ret_index) {
        const struct hb_kept *found = NULL;

        for (unsigned i = 0; i < k->n; i++) {
                const struct hb_kept *m = &k->list[i];
                unsigned newer = hb_keep_newer(k, m) + (strcmp(m->guest, coming->guest) == 0);
                double worth = hb_keep_worth(m, newer, now);

                if (gone[i] || worth >= below)
                        continue;
                below = worth;
                found = m;
                *ret_index = i;
        }
        return found;
}

int hb_keep_make_room(hb_keep *k, const struct hb_kept *coming, uint64_t bytes, uint64_t now_wall_ns,
                      void (*dropping)(void *arg, const struct hb_kept *m), void *arg) {
        double worth = hb_keep_worth(coming, 0, now_wall_ns);
        uint64_t left = k->bytes;
        bool *gone = calloc(k->n + 1, sizeof(*gone));
        unsigned i = 0;
        int r = gone ? 0 : -ENOMEM;

        while (r == 0 && (bytes > k->budget || left > k->budget - bytes)) {
                const struct hb_kept *m =
                        bytes > k->budget ? NULL : least(k, gone, coming, worth, now_wall_ns, &i);

                if (!m) {
                        r = -ENOSPC;
                        break;
                }
                gone[i] = true;
                left -= bytes_of(m);
        }
        for (i = k->n; r == 0 && i-- > 0;) {
                struct hb_kept m = k->list[i];

                if (!gone[i])
                        continue;
                if (dropping)
                        dropping(arg, &m);
                hb_keep_drop(k, m.guest, m.visit_ns);
        }
        free(gone);
        return r;
}

const struct hb_kept *hb_keep_get(const hb_keep *k, unsigned n) {
        return n < k->n ? &k->list[n] : NULL;
}

const char *hb_keep_dir(const hb_keep *k) {
        return k->dir;
}

void hb_keep_set_budget(hb_keep *k, uint64_t budget_bytes) {
        k->budget = budget_bytes;
}

uint64_t hb_keep_bytes(const hb_keep *k) {
        return k->bytes;
}

uint64_t hb_keep_budget(const hb_keep *k) {
        return k->budget;
}

/* ---- opening the folder ---- */

static bool memory_fits(const hb_keep *k, const struct hb_kept *m) {
        char path[HB_KEEP_PATH];
        struct stat st;

        return hb_keep_path(path, k->dir, m, "mem") == 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
               (uint64_t)st.st_size == m->pages_total * HB_PAGE_SIZE;
}

/* Takes a good one into the list. -EBADMSG: it is none. */
static int take_up(hb_keep *k, const struct hb_kept *name) {
        struct hb_kept m;
        int r = hb_kept_load(k->dir, name, &m, NULL, NULL);

        if (r == 0 &&
            (strcmp(m.guest, name->guest) != 0 || m.visit_ns != name->visit_ns || !memory_fits(k, &m)))
                r = -EBADMSG;
        return r < 0 ? r : hb_keep_add(k, &m);
}

static bool listed(const hb_keep *k, const struct hb_kept *name) {
        for (unsigned i = 0; i < k->n; i++)
                if (k->list[i].visit_ns == name->visit_ns && strcmp(k->list[i].guest, name->guest) == 0)
                        return true;
        return false;
}

/* Two rounds: first what is whole, then whatever of ours belongs to nothing whole. */
static int read_folder(hb_keep *k, bool sweep, unsigned *thrown) {
        DIR *d = opendir(k->dir);
        struct dirent *f;
        int r = d ? 0 : -errno;

        while (d && r == 0 && (f = readdir(d))) {
                struct hb_kept name = {0};
                const char *suffix = hb_keep_name(f->d_name, name.guest, &name.visit_ns);

                if (!suffix)
                        continue;
                if (!sweep && strcmp(suffix, "kept") == 0) {
                        r = take_up(k, &name);
                        r = r == -ENOMEM ? r : 0;
                } else if (sweep && (!listed(k, &name) ||
                                     (strcmp(suffix, "kept") != 0 && strcmp(suffix, "mem") != 0))) {
                        unlinkat(dirfd(d), f->d_name, 0);
                        (*thrown)++;
                }
        }
        if (d)
                closedir(d);
        return r;
}

static int lock_folder(hb_keep *k, struct hb_err *e) {
        int r;

        if (mkdir(k->dir, 0700) < 0 && errno != EEXIST) {
                r = -errno;
                return hb_err_set(e, r, k->dir, "create it, or set [duplicates] keep_dir",
                                  "cannot make the folder: %s", strerror(-r));
        }
        k->lock_fd = hb_fault("keep.folder") ? (errno = EIO, -1)
                                             : open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (k->lock_fd < 0 || flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                r = errno == EWOULDBLOCK ? -EBUSY : -errno;
                return hb_err_set(e, r, k->dir, "give each harbingerd a [duplicates] keep_dir of its own",
                                  r == -EBUSY ? "another harbingerd keeps memory in this folder"
                                              : "the folder cannot be opened");
        }
        return 0;
}

int hb_keep_open(const char *dir, uint64_t budget_bytes, hb_keep **ret, unsigned *ret_thrown,
                 struct hb_err *e) {
        hb_keep *k = calloc(1, sizeof(*k));
        unsigned thrown = 0;
        int r;

        if (!k)
                return hb_err_set(e, -ENOMEM, dir, NULL, "no memory");
        k->lock_fd = -1;
        k->budget = budget_bytes;
        k->dir = strdup(dir);
        r = k->dir ? lock_folder(k, e) : hb_err_set(e, -ENOMEM, dir, NULL, "no memory");
        if (r < 0)
                goto fail;
        if ((r = read_folder(k, false, &thrown)) < 0 || (r = read_folder(k, true, &thrown)) < 0) {
                hb_err_set(e, r, dir, "check who may read it", "the folder cannot be read: %s", strerror(-r));
                goto fail;
        }
        *ret_thrown = thrown;
        *ret = k;
        return 0;
fail:
        hb_keep_free(k);
        return r;
}

hb_keep *hb_keep_free(hb_keep *k) {
        if (!k)
                return NULL;
        if (k->lock_fd >= 0)
                close(k->lock_fd);
        free(k->list);
        free(k->dir);
        free(k);
        return NULL;
}

/* ---- one memory ---- */

int hb_keep_open_memory(const char *dir, const struct hb_kept *m, int *ret_fd, struct hb_err *e) {
        char path[HB_KEEP_PATH];
        int fd, r = hb_keep_path(path, dir, m, "mem");

        if (r < 0)
                return hb_err_set(e, r, dir, "set [duplicates] keep_dir to a shorter path",
                                  "the path is too long");
        fd = hb_fault("keep.memory") ? (errno = EIO, -1) : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) {
                r = -errno;
                return hb_err_set(e, r, path, "harbinger kept drop it", "a kept memory cannot be opened: %s",
                                  strerror(-r));
        }
        *ret_fd = fd;
        return 0;
}

int hb_keep_read(int fd, uint64_t gfn, uint8_t out[HB_PAGE_SIZE]) {
        for (size_t at = 0; at < HB_PAGE_SIZE;) {
                ssize_t n = hb_fault("keep.read") ? (errno = EIO, -1)
                                                  : pread(fd, out + at, HB_PAGE_SIZE - at,
                                                          (off_t)(gfn * HB_PAGE_SIZE + at));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                at += (size_t)n;
        }
        return 0;
}

int hb_keep_prints(const char *dir, const struct hb_kept *m, hb_keep_page *page, void *arg) {
        struct hb_kept there;

        return hb_kept_load(dir, m, &there, page, arg);
}
