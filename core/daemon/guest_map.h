/* guest_map: a picture of a guest's pages, a row of cells (docs/CONTROL.md, "guest.map"). How a span is cut
 * into cells and which pages are looked at; sums; the hottest blocks. Knows no guest: whoever does tells it
 * page by page, in ascending order. */
#pragma once
#include "base/shape.h"
#include "control/json_out.h"

#define HB_MAP_LOOKS (1u << 18) /* pages looked at at most */
#define HB_MAP_CELLS 4096u
#define HB_MAP_TOP   16u
#define HB_MAP_BLOCK 512u /* pages of 2 MiB */

enum hb_map_plane {
        HB_PLANE_READS,
        HB_PLANE_WRITES,
        HB_PLANE_EXPECTED, /* up to here: rates of each page; from here on: pages are counted */
        HB_PLANE_RESIDENT,
        HB_PLANE_FRESH,
        HB_PLANE_STALE,
        HB_PLANE_ABSENT,
        HB_PLANE_FETCHING,
        HB_PLANE_KNOWN,
        HB_PLANE_SPILLED,
        HB_PLANES
};
#define HB_PLANE_BIT(p) (1u << (p))
struct hb_map_page {
        float rate[HB_PLANE_RESIDENT]; /* reads, writes, expected; negative and NaN count as 0 */
        unsigned is;                   /* HB_PLANE_BIT of the counted planes it belongs to */
};
struct hb_map_plan {
        uint64_t guest_pages, first, span, cell_pages;
        unsigned cells, sampled; /* one page in `sampled` is looked at */
};
/* pages 0: all that follow. -EINVAL: no such pages, or not 1 to HB_MAP_CELLS cells. */
int hb_map_plan(uint64_t guest_pages, uint64_t first, uint64_t pages, uint64_t cells, struct hb_map_plan *ret,
                struct hb_err *e);
/* How many pages are looked at, and which is the i-th: ascending, spread by chance without any. */
uint64_t hb_map_plan_looks(const struct hb_map_plan *p);
uint64_t hb_map_plan_page(const struct hb_map_plan *p, uint64_t i);

typedef struct hb_guest_map hb_guest_map;
/* planes: HB_PLANE_BIT of those that are known. -ENOMEM. */
int hb_guest_map_new(const struct hb_map_plan *p, unsigned planes, hb_guest_map **ret);
hb_guest_map *hb_guest_map_free(hb_guest_map *m);
void hb_guest_map_forget(hb_guest_map *m, enum hb_map_plane p); /* it turned out not to be known */
void hb_guest_map_add(hb_guest_map *m, uint64_t gfn, const struct hb_map_page *page);
/* Scaled up to all pages, when all were added. NaN: the plane is not known. */
double hb_guest_map_cell(const hb_guest_map *m, enum hb_map_plane p, unsigned cell);
struct hb_map_top {
        uint64_t first, pages;
        double reads, writes;
};
unsigned hb_guest_map_top(const hb_guest_map *m, struct hb_map_top ret[HB_MAP_TOP]); /* hottest first */
void hb_guest_map_write(const hb_guest_map *m, const char *guest, const char *side, const struct hb_shape *s,
                        struct hb_json_out *o); /* an object */
