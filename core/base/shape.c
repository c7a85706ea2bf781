/* shape: builds, compares and carries the layout of a guest's memory.
 *
 * Invariant: regions are dense in gfn, every name is valid and unique, and `pages` is their sum, at most
 * HB_MAX_PAGES. A decoded shape is built by the same hb_shape_add, so a peer cannot send what we would not
 * make ourselves. Wire form: u8 region count (1..16), then for each: str name, u64 pages, u32 backing page
 * size. */
#include "base/shape.h"
#include <errno.h>
#include <string.h>

bool hb_name_ok(const char *name) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
        size_t n = name ? strnlen(name, HB_NAME_MAX) : 0;

        if (n == 0 || n == HB_NAME_MAX || name[0] == '.' || name[0] == '-')
                return false;
        return strspn(name, letters) == n;
}

static bool backing_ok(uint32_t size) {
        return size == HB_PAGE_SIZE || size == 2u << 20 || size == 1u << 30;
}

static bool has_region(const struct hb_shape *s, const char *name) {
        for (uint32_t i = 0; i < s->nregions; i++)
                if (strcmp(s->regions[i].name, name) == 0)
                        return true;
        return false;
}

static int check_region(const struct hb_shape *s, const char *name, uint64_t bytes, uint32_t backing_page,
                        struct hb_err *e) {
        if (!hb_name_ok(name))
                return hb_err_set(e, -EINVAL, name,
                                  "use 1 to 63 of A-Z a-z 0-9 . _ - and begin with none of . -",
                                  "not a valid name for a memory region");
        if (s->nregions == HB_MAX_REGIONS)
                return hb_err_set(e, -E2BIG, name, "give the guest fewer memory backends",
                                  "a guest may have at most %u memory regions", HB_MAX_REGIONS);
        if (has_region(s, name))
                return hb_err_set(e, -EEXIST, name, "give each memory backend its own id",
                                  "two memory regions have the same name");
        if (!backing_ok(backing_page))
                return hb_err_set(e, -EINVAL, name, "use ordinary, 2 MiB or 1 GiB pages",
                                  "a backing page size of %u bytes is not supported", backing_page);
        if (bytes == 0 || bytes % backing_page != 0)
                return hb_err_set(e, -EINVAL, name, "make the region a multiple of its backing page size",
                                  "a region of %llu bytes does not fit pages of %u",
                                  (unsigned long long)bytes, backing_page);
        if (bytes >> HB_PAGE_SHIFT > HB_MAX_PAGES - s->pages)
                return hb_err_set(e, -EFBIG, name, "guests up to 16 TiB are supported",
                                  "the guest's memory is too large");
        return 0;
}

int hb_shape_add(struct hb_shape *s, const char *name, uint64_t bytes, uint32_t backing_page,
                 struct hb_err *e) {
        int rc = check_region(s, name, bytes, backing_page, e);
        struct hb_region *r;

        if (rc < 0)
                return rc;
        r = &s->regions[s->nregions++];
        *r = (struct hb_region){
                .first_gfn = s->pages, .pages = bytes >> HB_PAGE_SHIFT, .backing_page = backing_page};
        strcpy(r->name, name);
        s->pages += r->pages;
        return 0;
}

static bool region_equal(const struct hb_region *a, const struct hb_region *b) {
        return strcmp(a->name, b->name) == 0 && a->first_gfn == b->first_gfn && a->pages == b->pages &&
               a->backing_page == b->backing_page;
}

bool hb_shape_equal(const struct hb_shape *a, const struct hb_shape *b) {
        if (a->nregions != b->nregions || a->pages != b->pages)
                return false;
        for (uint32_t i = 0; i < a->nregions; i++)
                if (!region_equal(&a->regions[i], &b->regions[i]))
                        return false;
        return true;
}

int hb_shape_region_of(const struct hb_shape *s, uint64_t gfn) {
        for (uint32_t i = 0; i < s->nregions; i++)
                if (gfn - s->regions[i].first_gfn < s->regions[i].pages) /* wraps to huge below the region */
                        return (int)i;
        return -ENOENT;
}

void hb_shape_encode(const struct hb_shape *s, struct hb_buf *out) {
        hb_buf_u8(out, (uint8_t)s->nregions);
        for (uint32_t i = 0; i < s->nregions; i++) {
                hb_buf_str(out, s->regions[i].name);
                hb_buf_u64(out, s->regions[i].pages);
                hb_buf_u32(out, s->regions[i].backing_page);
        }
}

static bool decode_region(struct hb_rd *in, struct hb_shape *s) {
        char name[HB_NAME_MAX];
        uint64_t pages;
        uint32_t backing_page;

        hb_rd_str(in, name, sizeof(name));
        pages = hb_rd_u64(in);
        backing_page = hb_rd_u32(in);
        return hb_rd_ok(in) && pages <= HB_MAX_PAGES &&
               hb_shape_add(s, name, pages << HB_PAGE_SHIFT, backing_page, NULL) == 0;
}

int hb_shape_decode(struct hb_rd *in, struct hb_shape *ret) {
        struct hb_shape s = {0};
        uint8_t n = hb_rd_u8(in);

        if (n == 0 || n > HB_MAX_REGIONS)
                goto fail;
        for (uint8_t i = 0; i < n; i++)
                if (!decode_region(in, &s))
                        goto fail;
        *ret = s;
        return 0;
fail:
        hb_rd_fail(in);
        return -EBADMSG;
}
