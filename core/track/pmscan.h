/* pmscan: the kernel's PAGEMAP_SCAN (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst) and the userfaultfd
 * features it needs, which Debian 12's headers do not have. */
#pragma once
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define HB_PAGE_WPALLOWED (1ull << 0)
#define HB_PAGE_WRITTEN   (1ull << 1)
#define HB_PAGE_PRESENT   (1ull << 3)
#define HB_PAGE_SWAPPED   (1ull << 4)

#define HB_SCAN_WP_MATCHING   (1ull << 0) /* write-protect what matches, in the same step */
#define HB_SCAN_CHECK_WPASYNC (1ull << 1) /* -EPERM when a range is not registered */

struct hb_pm_run {
        uint64_t start, end, categories;
};

struct hb_pm_scan {
        uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask,
                category_anyof_mask, return_mask;
};

#define HB_PAGEMAP_SCAN _IOWR('f', 16, struct hb_pm_scan)

#define HB_UFFD_WP_HUGETLBFS_SHMEM (1ull << 12)
#define HB_UFFD_WP_UNPOPULATED     (1ull << 13)
#define HB_UFFD_WP_ASYNC           (1ull << 15)
#define HB_UFFD_FEATURES           (HB_UFFD_WP_ASYNC | HB_UFFD_WP_UNPOPULATED | HB_UFFD_WP_HUGETLBFS_SHMEM)
#define HB_UFFD_USER_MODE_ONLY     1 /* no privilege needed; async protection never hands a fault to anyone */
