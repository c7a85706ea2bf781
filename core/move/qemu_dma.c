/* qemu_dma: may something write guest memory where page tables do not show it?
 *
 * Three ways do: the kernel on QEMU's behalf (vhost, and disks opened with O_DIRECT), a device (vfio), and
 * another process (vhost-user). None of them is a reason to refuse; the tracker's grace period and its search
 * for other mappers are for them. A kernel back-end shows by the device node QEMU holds open, whatever the
 * QEMU version calls it. Reads only. One worker thread. */
#include "move/qemu_priv.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(struct hb_guest_info *info, const char *what, const char *which) {
        size_t n = strlen(info->dma_note);

        info->dma_unseen = true;
        if (strstr(info->dma_note, what))
                return;
        snprintf(info->dma_note + n, sizeof(info->dma_note) - n, "%s%s%s%s", n ? "; " : "", what,
                 which[0] ? " " : "", which);
}

static void judge_fd(struct hb_guest_info *info, const char *link) {
        if (strncmp(link, "/dev/vhost-", 11) == 0)
                note(info, link + 5, "");
        else if (strncmp(link, "/dev/vfio/", 10) == 0 && strcmp(link, "/dev/vfio/vfio") != 0)
                note(info, "vfio device", link);
}

static void scan_fds(pid_t pid, struct hb_guest_info *info) {
        char path[64], link[256];
        struct dirent *d;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        if (!dir)
                return;
        while ((d = readdir(dir))) {
                ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

                if (n > 0) {
                        link[n] = '\0';
                        judge_fd(info, link);
                }
        }
        closedir(dir);
}

static int scan_disks(struct hb_qemu *q, struct hb_guest_info *info, struct hb_err *e) {
        json_t *nodes, *node;
        size_t i;
        int rc = hb_qemu_call(q, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), &nodes, e);

        if (rc < 0)
                return rc;
        json_array_foreach(nodes, i, node) {
                const char *name = json_string_value(json_object_get(node, "node-name"));

                if (json_is_true(json_object_get(json_object_get(node, "cache"), "direct")))
                        note(info, "disk with cache.direct", name ? name : "");
        }
        json_decref(nodes);
        return 0;
}

static int scan_text(struct hb_qemu *q, const char *command, const char *word, struct hb_guest_info *info,
                     struct hb_err *e) {
        char *text;
        int rc = hb_qemu_hmp(q, command, &text, e);

        if (rc < 0)
                return rc;
        if (strstr(text, word))
                note(info, "vhost-user back-end", "");
        free(text);
        return 0;
}

int hb_qemu_dma(struct hb_qemu *q, struct hb_guest_info *info, struct hb_err *e) {
        int rc = scan_disks(q, info, e);

        if (rc == 0)
                rc = scan_text(q, "info qtree", "dev: vhost-user-", info, e);
        if (rc == 0)
                rc = scan_text(q, "info network", "type=vhost-user", info, e);
        if (rc == 0)
                scan_fds(q->pid, info);
        return rc;
}
