/* map_file: the mapping a page map lives in, a file or anonymous. Internal to the room. */
#pragma once
#include "base/shape.h"

#define HB_MAP_RING 4096u

struct hb_map_record { /* 20 bytes: with the bitmaps and one encoder below the 24 of DESIGN section 10 */
        uint32_t version, last_access;
        uint32_t read_epoch; /* last epoch in which reads were looked for and could be told from writes */
        uint16_t write_heat, read_heat; /* hb_heat_pack */
        uint16_t writes, reads;
};

struct hb_map_header {
        char magic[8];
        uint32_t format, epoch; /* last completed */
        uint64_t pages, shape_hash;
        double dirty_pages_per_s;
        uint8_t owner[16]; /* hb_page_map_set_owner */
};

struct hb_map_file {
        struct hb_shape shape;
        int fd; /* -1: anonymous; holds the lock */
        void *base;
        size_t bytes;
        struct hb_map_header *header;
        uint64_t *ring; /* HB_MAP_RING times, by epoch % HB_MAP_RING */
        uint64_t *known, *resident;
        struct hb_map_record *records;
};

int hb_map_file_open(struct hb_map_file *f, const struct hb_shape *shape, const char *path, struct hb_err *e);
void hb_map_file_close(struct hb_map_file *f); /* half-open or zeroed allowed; the file stays */
