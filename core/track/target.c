/* target: opens a process for tracking: checks what a guest port claims against /proc/PID/maps, opens and
 * maps the files.
 *
 * Invariant: a region of an open target is shared, writable, of one file at consecutive offsets; its VMAs may
 * be split (madvise and userfaultfd registration do that), so neighbours of the same file are joined while
 * checking. The pidfd is taken first and asked last, so everything read from /proc in between was this
 * process's. Cost: one read of its maps. */
#include "track/target.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/target_file.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int no_process(pid_t pid, struct hb_err *e) {
        char which[32];

        snprintf(which, sizeof which, "pid %d", (int)pid);
        return hb_err_set(e, -ESRCH, which, "check that the guest is running", "no such process");
}

static int not_matching(const struct hb_target_claim *c, struct hb_err *e, const char *why) {
        return hb_err_set(e, -EINVAL, c->name,
                          "attach through the guest's own QMP socket, which knows its addresses",
                          "the process's memory map does not show this region: %s", why);
}

static int not_shared(const struct hb_target_claim *c, struct hb_err *e) {
        return hb_err_set(
                e, -EOPNOTSUPP, c->name,
                "start the guest with share=on, e.g. -object memory-backend-memfd,id=ram,size=4G,share=on "
                "-machine memory-backend=ram",
                "this guest memory is private to its process, so it can neither be read nor moved from "
                "outside");
}

static bool continues(const struct hb_vma *all, const struct hb_vma *v) {
        return v->start == all->end && v->ino == all->ino && v->dev_major == all->dev_major &&
               v->dev_minor == all->dev_minor && v->offset == all->offset + (all->end - all->start) &&
               v->shared == all->shared && v->write == all->write;
}

/* The VMA at the claim's address (*ret_first, for map_files), joined with the neighbours that continue it
 * (*ret_all). */
static int find_claim(const struct hb_buf *maps, const struct hb_target_claim *c, struct hb_vma *ret_first,
                      struct hb_vma *ret_all, struct hb_err *e) {
        struct hb_rd in = hb_rd_init(maps->data, maps->len);
        uint64_t end = c->remote_addr + c->bytes;
        struct hb_vma v, first = {0}, all = {0};

        while (hb_procmaps_next(&in, &v)) {
                if (v.end <= c->remote_addr || v.start >= end)
                        continue;
                if (!all.end)
                        first = all = v;
                else if (continues(&all, &v))
                        all.end = v.end;
        }
        if (!hb_rd_ok(&in))
                return not_matching(c, e, "its maps file is malformed");
        if (!all.end || all.start > c->remote_addr)
                return not_matching(c, e, "nothing is mapped at its address");
        if (!all.shared)
                return not_shared(c, e);
        if (all.end < end)
                return not_matching(c, e, "the mapping there is smaller");
        if (!all.write || !all.read)
                return not_matching(c, e, "the mapping there is not writable");
        *ret_first = first;
        *ret_all = all;
        return 0;
}

static int check_claim(const struct hb_target_claim *c, struct hb_err *e) {
        if (c->bytes == 0 || c->bytes % HB_PAGE_SIZE || c->remote_addr % HB_PAGE_SIZE ||
            c->bytes / HB_PAGE_SIZE > HB_MAX_PAGES || c->remote_addr + c->bytes < c->remote_addr)
                return not_matching(c, e, "its address or size is not a whole number of pages");
        return 0;
}

/* Two regions over the same bytes would be counted, versioned and moved twice. */
static int check_overlap(const hb_target *t, const struct hb_target_region *n, struct hb_err *e) {
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];

                if (r->dev != n->dev || r->ino != n->ino)
                        continue;
                if (r->file_offset < n->file_offset + n->bytes && n->file_offset < r->file_offset + r->bytes)
                        return hb_err_set(e, -EINVAL, n->name, "name each memory backend once",
                                          "region shows the same bytes of its file as region %s", r->name);
        }
        return 0;
}

static int map_region(struct hb_target_region *r, struct hb_err *e) {
        struct stat st;

        if (fstat(r->fd, &st) < 0)
                return hb_err_set(e, -errno, r->path, NULL, "cannot look at the memory file: %s",
                                  strerror(errno));
        if ((uint64_t)st.st_size < r->file_offset + r->bytes)
                return hb_err_set(e, -EINVAL, r->path, "do not shrink a guest's memory file",
                                  "the file is smaller than the region");
        r->bytes_map = hb_fault("track.map") ? MAP_FAILED
                                             : mmap(NULL, r->bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE,
                                                    r->fd, (off_t)r->file_offset);
        if (r->bytes_map == MAP_FAILED) {
                r->bytes_map = NULL;
                return hb_err_set(e, -ENOMEM, r->path, "raise the daemon's address space or memory limit",
                                  "cannot map the guest's memory file");
        }
        (void)madvise(r->bytes_map, r->bytes,
                      MADV_DONTDUMP); /* a guest's memory has no place in our core file */
        return 0;
}

static int open_region(hb_target *t, const struct hb_buf *maps, const struct hb_target_claim *c,
                       struct hb_err *e) {
        struct hb_target_region *r = &t->regions[t->shape.nregions];
        struct hb_vma first = {0}, all = {0};
        int err = check_claim(c, e);

        if (err == 0)
                err = find_claim(maps, c, &first, &all, e);
        if (err < 0)
                return err;
        memcpy(r->name, c->name, sizeof r->name);
        r->name[sizeof r->name - 1] = 0;
        memcpy(r->path, first.path, sizeof r->path);
        r->remote_addr = c->remote_addr;
        r->bytes = c->bytes;
        r->file_offset = all.offset + (c->remote_addr - all.start);
        r->dev = makedev(all.dev_major, all.dev_minor);
        r->ino = all.ino;
        r->first_gfn = t->shape.pages;
        err = check_overlap(t, r, e);
        if (err == 0)
                err = hb_target_open_file(t->pid, &first, &r->fd, e);
        if (err == 0 && (err = hb_target_backing(r->fd, r->path, &r->backing, &r->backing_page)) < 0)
                err = hb_err_set(e, err, r->path, NULL, "cannot tell what kind of memory file this is");
        if (err == 0)
                err = map_region(r, e);
        if (err == 0)
                err = hb_shape_add(&t->shape, r->name, r->bytes, r->backing_page, e);
        return err;
}

static int read_process(hb_target *t, struct hb_buf *maps, struct hb_err *e) {
        int r = hb_proc_start_time(t->pid, &t->start_time);

        if (r == 0)
                r = hb_procmaps_read(t->pid, maps);
        if (r == -ESRCH)
                return no_process(t->pid, e);
        if (r == -EPERM)
                return hb_err_set(e, -EPERM, "/proc/PID/maps",
                                  "run harbingerd as root, or as the guest's user with CAP_SYS_PTRACE",
                                  "may not read the memory map of process %d", (int)t->pid);
        if (r < 0)
                return hb_err_set(e, r, "/proc/PID/maps", NULL, "cannot read the memory map of process %d",
                                  (int)t->pid);
        return 0;
}

int hb_target_open(pid_t pid, const struct hb_target_claim *claims, unsigned n, hb_target **ret,
                   struct hb_err *e) {
        struct hb_buf maps = {0};
        hb_target *t;
        int r;

        if (n == 0 || n > HB_MAX_REGIONS || pid <= 0)
                return hb_err_set(e, -EINVAL, NULL, NULL, "a target needs a process and 1 to %u regions",
                                  HB_MAX_REGIONS);
        t = hb_fault("track.target") ? NULL : calloc(1, sizeof *t);
        if (!t)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        t->pid = pid;
        for (unsigned i = 0; i < HB_MAX_REGIONS; i++)
                t->regions[i].fd = -1;
        t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        r = t->pidfd < 0 ? no_process(pid, e) : read_process(t, &maps, e);
        for (unsigned i = 0; i < n && r == 0; i++)
                r = open_region(t, &maps, &claims[i], e);
        if (r == 0 && syscall(SYS_pidfd_send_signal, t->pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
                r = no_process(pid, e);
        hb_buf_free(&maps);
        if (r < 0) {
                hb_target_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

hb_target *hb_target_free(hb_target *t) {
        if (!t)
                return NULL;
        for (unsigned i = 0; i < HB_MAX_REGIONS; i++) {
                struct hb_target_region *r = &t->regions[i];

                if (r->bytes_map)
                        munmap(r->bytes_map, r->bytes);
                if (r->fd >= 0)
                        close(r->fd);
        }
        if (t->pidfd >= 0)
                close(t->pidfd);
        free(t);
        return NULL;
}
