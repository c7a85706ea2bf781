/* track_pid: tracks one mapping of a running process and keeps a copy of it, as a daemon would, for the
 * scripts.
 *
 *   track_pid PID PATTERN BACKEND STATE COPY [final]
 *
 * Attaches to the mapping whose path contains PATTERN; every 100 ms scans, copies the reported pages into the
 * file COPY and commits. STATE is the tracker's state file, so it may be killed and started again. With
 * "final" (the process stands still): one scan, the whole copy is compared with the memory, the target is
 * detached. One line of JSON a scan. */
#include "base/clock.h"
#include "track/procmaps.h"
#include "track/tracker.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int give_up(const char *what, const struct hb_err *e) {
        char line[800];

        fprintf(stderr, "track_pid: %s: %s\n", what, e ? hb_err_line(e, line, sizeof line) : strerror(errno));
        return 1;
}

/* The largest run of shared VMAs of that file. */
static int find_mapping(pid_t pid, const char *pattern, struct hb_target_claim *c) {
        struct hb_buf maps = {0};
        struct hb_vma v;
        int r = hb_procmaps_read(pid, &maps);
        struct hb_rd in = hb_rd_init(maps.data, maps.len);

        *c = (struct hb_target_claim){.name = "ram"};
        while (r == 0 && hb_procmaps_next(&in, &v)) {
                if (!v.shared || !strstr(v.path, pattern))
                        continue;
                if (c->remote_addr + c->bytes != v.start)
                        c->remote_addr = v.start, c->bytes = 0;
                c->bytes += v.end - v.start;
        }
        hb_buf_free(&maps);
        return c->bytes ? 0 : r < 0 ? r : -ENOENT;
}

static void copy_reported(const hb_target *t, const struct hb_scan *s, uint8_t *copy) {
        uint64_t first, count;

        for (uint64_t at = 0; hb_bitmap_next_run(&s->written, at, 0, &first, &count); at = first + count)
                if (pread(t->regions[0].fd, copy + first * HB_PAGE_SIZE, count * HB_PAGE_SIZE,
                          (off_t)(t->regions[0].file_offset + first * HB_PAGE_SIZE)) < 0)
                        perror("track_pid: read");
}

static uint64_t compare(const hb_target *t, const uint8_t *copy) {
        uint8_t page[HB_PAGE_SIZE];
        uint64_t bad = 0;

        for (uint64_t p = 0; p < t->shape.pages; p++) {
                if (pread(t->regions[0].fd, page, sizeof page,
                          (off_t)(t->regions[0].file_offset + p * HB_PAGE_SIZE)) != sizeof page)
                        memset(page, 0xee, sizeof page);
                bad += memcmp(page, copy + p * HB_PAGE_SIZE, HB_PAGE_SIZE) != 0;
        }
        return bad;
}

static int run(hb_target *t, hb_tracker *k, uint8_t *copy, bool final) {
        struct hb_scan s = {0};
        struct hb_err e = {0};
        uint64_t bad = 0;

        if (hb_bitmap_init(&s.written, t->shape.pages) || hb_bitmap_init(&s.accessed, t->shape.pages) ||
            hb_bitmap_init(&s.observed, t->shape.pages))
                return give_up("bitmaps", NULL);
        do {
                hb_bitmap_clear_all(&s.written);
                hb_bitmap_clear_all(&s.accessed);
                hb_bitmap_clear_all(&s.observed);
                s.written_pages = s.accessed_pages = s.observed_pages = s.guest_ns = s.scan_ns = 0;
                s.writes_only = final;
                if (hb_tracker_scan(k, &s, &e) < 0)
                        return give_up("scan", &e);
                copy_reported(t, &s, copy);
                hb_tracker_commit(k);
                if (final)
                        bad = compare(t, copy);
                printf("{\"written\":%lu,\"observed\":%lu,\"accessed\":%lu,\"scan_us\":%lu,\"guest_us\":%lu,"
                       "\"resumed\":%d,\"lost\":%d,"
                       "\"bad\":%lu}\n",
                       (unsigned long)s.written_pages, (unsigned long)s.observed_pages,
                       (unsigned long)s.accessed_pages, (unsigned long)s.scan_ns / 1000,
                       (unsigned long)s.guest_ns / 1000, hb_tracker_resumed(k), s.lost, (unsigned long)bad);
                fflush(stdout);
                if (!final)
                        hb_sleep_ns(100 * HB_NS_PER_MS);
        } while (!final);
        if (hb_tracker_detach(k, &e) < 0)
                return give_up("detach", &e);
        return bad ? 1 : 0;
}

int main(int argc, char **argv) {
        struct hb_tracker_options o = {.guest_budget = 0.02, .epoch_ns = 100 * HB_NS_PER_MS};
        struct hb_target_claim c;
        struct hb_mapper m[4];
        struct hb_err e = {0};
        hb_target *t;
        hb_tracker *k;
        uint8_t *copy;
        int fd;

        if (argc < 6) {
                fprintf(stderr, "usage: track_pid PID PATTERN BACKEND STATE COPY [final]\n");
                return 2;
        }
        if (find_mapping(atoi(argv[1]), argv[2], &c) < 0)
                return give_up("no such mapping", NULL);
        if (hb_target_open(atoi(argv[1]), &c, 1, &t, &e) < 0)
                return give_up("target", &e);
        for (int n = hb_target_find_mappers(t, m, 4); n > 0; n--)
                fprintf(stderr, "track_pid: also mapped by %s (%d)\n", m[n - 1].comm, (int)m[n - 1].pid);
        fd = open(argv[5], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, (off_t)c.bytes) < 0)
                return give_up(argv[5], NULL);
        copy = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (copy == MAP_FAILED)
                return give_up(argv[5], NULL);
        o.state_path = argv[4];
        if (hb_tracker_open(t, argv[3], &o, &k, &e) < 0) {
                hb_target_free(t);
                return give_up("tracker", &e);
        }
        return run(t, k, copy, argc > 6 && strcmp(argv[6], "final") == 0);
}
