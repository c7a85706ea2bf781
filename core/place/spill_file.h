/* spill_file: the files behind a spilled image, and whose they are. Internal to the room.
 *
 * GUEST.PLACEMENT.spill in the spill directory is sparse: page gfn of the guest at gfn * 4096, and behind the
 * last page one page that says whose file it is, so that what a power cut left over can be told from somebody
 * else's file and removed. GUEST.sums beside the image's state file begins with the same page and has a
 * checksum (8 bytes) for each page of the guest; it lives as long as the image's records, and names the spill
 * file by inode. A spill file is locked while an image uses it. */
#pragma once
#include "place/image.h"

#define HB_SPILL_HEAD 4096u

struct hb_spill_head {
        struct hb_image_id id;
        uint64_t pages, key; /* key: random, part of every checksum */
        uint64_t dev, ino;   /* of the spill file */
        char path[512];
};
int hb_spill_head_encode(const struct hb_spill_head *h, uint8_t to[HB_SPILL_HEAD]); /* -ENOMEM */
int hb_spill_head_decode(const void *head, size_t size, struct hb_spill_head *ret); /* -EBADMSG */

struct hb_spill_file {
        struct hb_spill_head head;
        char *sums_path;
        int fd, direct_fd; /* direct_fd -1: O_DIRECT is refused there */
        void *map;         /* of the sums file */
        size_t map_bytes;
        uint64_t *sums; /* by gfn */
};

/* All leave an object that hb_spill_file_close takes. `direct` false: never O_DIRECT. */
int hb_spill_file_create(struct hb_spill_file *f, const char *image_dir, const char *spill_dir,
                         const struct hb_image_id *id, uint64_t pages, bool direct, struct hb_err *e);
/* What the sums file of an image names. -ENOENT: none; else why it cannot be used. */
int hb_spill_file_attach(struct hb_spill_file *f, const char *image_dir, const struct hb_image_id *id,
                         uint64_t pages, bool direct, struct hb_err *e);
void hb_spill_file_close(struct hb_spill_file *f);
/* Removes the spill file that the guest's sums file in `image_dir` names, then that. Files removed. */
int hb_spill_file_remove(const char *image_dir, const char *guest);
