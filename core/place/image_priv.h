/* image_priv: the object behind hb_image, shared by the files of the room that make and unmake it. Internal
 * to the room. */
#pragma once
#include "place/image_state.h"

struct hb_image_region {
        char *path;
        int fd;
        uint8_t *base;
        uint64_t bytes;
};

struct hb_image {
        struct hb_image_state state;
        char *dir, *state_path;
        int state_fd; /* holds the lock */
        uint8_t *head;
        size_t state_bytes;
        struct hb_image_page *pages;
        uint64_t file_page; /* of the filesystem: 4096, or the huge page */
        bool huge;
        struct hb_image_region region[HB_MAX_REGIONS];
        struct hb_spill *spill; /* spill.h; NULL: all of it is in memory */
};

/* image.c: the memory file of a page, and where it is there */
int hb_image_file_of(const hb_image *i, uint64_t gfn, uint64_t *ret_offset);
/* image.c: memory of these pages is given back, as far as that can be. */
void hb_image_punch(hb_image *i, uint64_t gfn, uint64_t pages);

/* image_files.c: what lies in the directory */
int hb_image_check_dir(hb_image *i, const char *dir, const struct hb_shape *shape, struct hb_err *e);
int hb_image_check_room(const char *dir, uint64_t need, uint64_t margin, struct hb_err *e);
int hb_image_create_files(hb_image *i, struct hb_err *e);
/* Opens an existing state file and its region files. 0; -ENOENT none (or only remains, which are then
 * removed); else refused. */
int hb_image_attach_files(hb_image *i, struct hb_err *e);
int hb_image_map_state(hb_image *i, struct hb_err *e);
uint64_t hb_image_allocated(const hb_image *i); /* bytes the region files hold */
/* Unlinks the region files that are really `s`'s, then the state file. Returns files removed. */
int hb_image_unlink_all(const char *dir, const struct hb_image_state *s, const char *state_path);
char *hb_image_region_name(const char *dir, const struct hb_image_state *s, uint32_t region);
