/* residency: which pages of a region's file exist. On tmpfs and disks from the file itself; on hugetlbfs,
 * which cannot say, from the target's page table and, for the rest, from the bytes. */
#pragma once
#include "track/target.h"

/* Calls run(arg, gfn, pages) for each run of resident pages of region `index` within [gfn, gfn + pages),
 * ascending, not overlapping. A negative return of run ends the walk and is returned. Cost: 9-13 ms per GiB
 * of resident memory on tmpfs; holes cost nothing. On hugetlbfs the range must be whole huge pages. */
int hb_residency_walk(const hb_target *t, unsigned index, uint64_t gfn, uint64_t pages,
                      int (*run)(void *arg, uint64_t gfn, uint64_t pages), void *arg);
