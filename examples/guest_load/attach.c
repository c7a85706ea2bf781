/* attach: save and load of the little state that is not in the memory.
 * The library calls both on its own thread while the load stands still. */
#include "attach.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static size_t save(void *arg, void *state, size_t size) {
        const struct attach *a = arg;

        if (size < sizeof(a->load->state))
                return size + 1;
        memcpy(state, &a->load->state, sizeof(a->load->state));
        return sizeof(a->load->state);
}

/* A state for a memory of another size is another guest's. */
static int load(void *arg, const void *state, size_t bytes) {
        struct attach *a = arg;
        struct load came;
        int r = load_resume(&came, state, bytes, a->memory->addr);

        if (r < 0)
                return r;
        if (came.state.params.mb << 20 != a->memory->bytes)
                return -EINVAL;
        *a->load = came;
        return 0;
}

int attach_open(struct attach *a, const char *socket_path, struct load *l, const struct memory *memory,
                bool incoming) {
        struct hb_attach_guest guest;

        if (!memory->shared)
                return -EINVAL;
        *a = (struct attach){.load = l, .memory = memory};
        a->region = (struct hb_attach_region){
                .name = "ram",
                .addr = memory->addr,
                .bytes = memory->bytes,
                .path = memory->path[0] ? memory->path : NULL,
        };
        guest = (struct hb_attach_guest){
                .name = "guest_load",
                .regions = &a->region,
                .nregions = 1,
                .incoming = incoming,
                .save = save,
                .load = load,
                .arg = a,
        };
        return hb_attach_open(socket_path, &guest, &a->library);
}

int attach_wait(struct attach *a) {
        sigset_t ends, before;
        int r;

        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        pthread_sigmask(SIG_UNBLOCK, &ends, &before);
        r = hb_attach_point(a->library);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

int attach_point(struct attach *a) {
        return a->library ? hb_attach_point(a->library) : 0;
}
