/* shape: the layout of a guest's memory. A guest is an ordered list of regions (RAM blocks), each an array of
 * 4 KiB pages; gfn numbers the pages 0-based over the regions in order. Shapes of source and target must be
 * equal but for paths. */
#pragma once
#include "base/bytes.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define HB_PAGE_SIZE   4096u
#define HB_PAGE_SHIFT  12
#define HB_MAX_REGIONS 16u
/* 16 TiB: a gfn fits in 32 bits, which the map's and image's size budgets rely on. */
#define HB_MAX_PAGES (1ull << 32)
/* Guest, host and region names, terminator included. */
#define HB_NAME_MAX 64

struct hb_region {
        char name[HB_NAME_MAX]; /* QEMU: the memory backend's id */
        uint64_t first_gfn, pages;
        uint32_t backing_page; /* 4096, or 2 MiB / 1 GiB on hugetlbfs */
};

struct hb_shape {
        uint32_t nregions;
        uint64_t pages; /* sum over the regions */
        struct hb_region regions[HB_MAX_REGIONS];
};

/* Appends a region of `bytes` (a multiple of backing_page); first_gfn is filled in. */
int hb_shape_add(struct hb_shape *s, const char *name, uint64_t bytes, uint32_t backing_page,
                 struct hb_err *e);
bool hb_shape_equal(const struct hb_shape *a, const struct hb_shape *b);
/* Region index of a gfn, -ENOENT outside. */
int hb_shape_region_of(const struct hb_shape *s, uint64_t gfn);
void hb_shape_encode(const struct hb_shape *s, struct hb_buf *out);
int hb_shape_decode(struct hb_rd *in, struct hb_shape *ret); /* -EBADMSG */
/* Guest, host and region names: 1..63 of [A-Za-z0-9._-], not starting with '.' or '-'. */
bool hb_name_ok(const char *name);

/* A run of pages. */
struct hb_run {
        uint64_t gfn;
        uint64_t pages;
};
