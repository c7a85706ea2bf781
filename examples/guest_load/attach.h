/* attach: the load as a guest of Harbinger: what hb_attach needs to know of it. */
#ifndef GUEST_LOAD_ATTACH_H
#define GUEST_LOAD_ATTACH_H

#include <stdbool.h>

#include "hb_attach.h"
#include "load.h"
#include "memory.h"

struct attach {
        struct hb_attach *library; /* NULL: the load is nobody's guest */
        struct hb_attach_region region;
        struct load *load;
        const struct memory *memory;
};

/* Serve `socket_path`; all arguments and `a` must stay. incoming: the load is empty until attach_wait() has
 * returned 0. -EINVAL: the memory is not shared. */
int attach_open(struct attach *a, const char *socket_path, struct load *load, const struct memory *memory,
                bool incoming);

/* Once, before the load runs: 0 when the guest has arrived, 1 when it will not come. SIGTERM and SIGINT,
 * blocked elsewhere, end the process meanwhile: there is nothing to lose yet. */
int attach_wait(struct attach *a);

/* The load may stand still here. 1: it has moved away, its memory is no longer ours to touch. */
int attach_point(struct attach *a);

#endif
