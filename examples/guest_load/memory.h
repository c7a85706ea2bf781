/* memory: where the load's memory comes from. */
#ifndef GUEST_LOAD_MEMORY_H
#define GUEST_LOAD_MEMORY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct memory {
        void *addr;
        size_t bytes;
        bool shared;         /* another process can map it: what a guest of Harbinger needs */
        char path[PATH_MAX]; /* absolute, of a file; empty for a memfd and anonymous memory */
};

/* `kind`: "anonymous", "memfd" or a file's path. A file that is there keeps its size if `keep` (it is another
 * host's memory on its way here), else it gets `bytes`. 0 or a negative errno. The memory lives as long as
 * the process. */
int memory_open(const char *kind, size_t bytes, bool keep, struct memory *ret);

#endif
