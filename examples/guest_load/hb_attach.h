/* hb_attach: lets a plain process be a guest of Harbinger: its memory tracked, itself stopped, moved and
 * started on another host. libc and threads only: copy hb_attach*.[ch] into a program.
 *
 * The program keeps everything that must move in shared memory (a memfd or a file) it names here, plus at
 * most 64 KiB of other state it can write down. It calls hb_attach_point() wherever it could stand still:
 * between two requests, once a loop.
 *
 *      struct hb_attach *a;
 *      hb_attach_open("/run/app.hb", &guest, &a);      // a thread of ours serves the socket
 *      while (hb_attach_point(a) == 0)                 // an atomic load while nobody wants anything
 *              work();
 *      hb_attach_close(a);
 *
 * A program started to receive a guest maps the image file, sets `incoming`, and its first hb_attach_point()
 * returns when the guest is there and may run, with load() having been called. The protocol is lines, one
 * client at a time; hb_attach.c lists it. */
#ifndef HB_ATTACH_H
#define HB_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#define HB_ATTACH_STATE_MAX   65536u
#define HB_ATTACH_REGIONS_MAX 16u

struct hb_attach;

struct hb_attach_region {
        const char *name; /* A-Z a-z 0-9 . _ -, at most 63, the same on both hosts */
        void *addr;       /* a shared mapping of one file, page-aligned */
        size_t bytes;     /* a multiple of 4096 */
        const char *path; /* the file's, without blanks; NULL for a memfd */
};

struct hb_attach_guest { /* copied by hb_attach_open, the regions too; the strings must stay */
        const char *name;
        const struct hb_attach_region *regions;
        unsigned nregions;
        bool incoming; /* wait for a guest instead of running at once */
        /* Both are called on the library's thread while the program stands in hb_attach_point(). save: writes
         * at most `size` bytes, returns how many. load: 0, or non-zero to refuse. */
        size_t (*save)(void *arg, void *state, size_t size);
        int (*load)(void *arg, const void *state, size_t bytes);
        void *arg;
};

/* Listens on socket_path (an old socket there is replaced). 0 or a negative errno. */
int hb_attach_open(const char *socket_path, const struct hb_attach_guest *g, struct hb_attach **ret);

/* A safe point, to be called by the one thread that changes the memory. Blocks while the guest stands still.
 * 0: go on; 1: the guest has moved away or was told to end: leave without touching its memory. */
int hb_attach_point(struct hb_attach *a);

/* Stops serving and frees; NULL allowed. */
void hb_attach_close(struct hb_attach *a);

#endif
