/* mappers: who else can write a target's memory behind a page-table tracker's back.
 *
 * A tracker sees writes through the page tables of the target's own registered range. Any other writable
 * shared mapping of the same bytes of the same file (a vhost-user back-end, a second mapping inside the
 * target) writes unseen. Read-only mappings, our own among them, are harmless. Cost: one read of every
 * process's maps, so: at attach and now and then, not each epoch. Blind by nature: a process that holds the
 * file open and uses pwrite, or maps it after we looked. */
#include "track/procmaps.h"
#include "track/target.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The region whose bytes `v` can write, or NULL. A range of the target that is a region is what is tracked.
 */
static const struct hb_target_region *writes_region(const hb_target *t, pid_t pid, const struct hb_vma *v) {
        if (!v->write || !v->shared || v->ino == 0)
                return NULL;
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];
                uint64_t file_end = v->offset + (v->end - v->start);

                if (r->ino != v->ino || r->dev != makedev(v->dev_major, v->dev_minor))
                        continue;
                if (v->offset >= r->file_offset + r->bytes || r->file_offset >= file_end)
                        continue;
                if (pid == t->pid && v->start < r->remote_addr + r->bytes && r->remote_addr < v->end)
                        continue;
                return r;
        }
        return NULL;
}

static void name_process(pid_t pid, char *out, unsigned size) {
        int n = hb_proc_read(pid, "comm", out, size);

        if (n <= 0)
                n = 0;
        else if (out[n - 1] == '\n')
                n--;
        out[n] = 0;
}

/* Every offending mapping of one process; the text buffer is the caller's, to be used again. */
static unsigned look_at(const hb_target *t, pid_t pid, struct hb_buf *text, struct hb_mapper *out,
                        unsigned max) {
        unsigned n = 0;
        struct hb_vma v;
        struct hb_rd in;

        hb_buf_reset(text);
        if (hb_procmaps_read(pid, text) < 0)
                return 0; /* gone, or a kernel thread */
        in = hb_rd_init(text->data, text->len);
        while (n < max && hb_procmaps_next(&in, &v)) {
                const struct hb_target_region *r = writes_region(t, pid, &v);

                if (!r)
                        continue;
                out[n] = (struct hb_mapper){.pid = pid, .addr = v.start};
                memcpy(out[n].region, r->name, sizeof out[n].region);
                name_process(pid, out[n].comm, sizeof out[n].comm);
                n++;
        }
        return n;
}

int hb_target_find_mappers(const hb_target *t, struct hb_mapper *out, unsigned max) {
        struct hb_buf text = {0};
        DIR *proc = opendir("/proc");
        struct dirent *d;
        unsigned n = 0;

        if (!proc)
                return -errno;
        while (n < max && (d = readdir(proc))) {
                char *end;
                long pid = strtol(d->d_name, &end, 10);

                if (end == d->d_name || *end || pid <= 0 || pid == (long)getpid())
                        continue;
                n += look_at(t, (pid_t)pid, &text, out + n, max - n);
        }
        closedir(proc);
        hb_buf_free(&text);
        return (int)n;
}
