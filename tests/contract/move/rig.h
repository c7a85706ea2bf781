/* rig: real guests for the guest-port contract, one way to start each kind. Everything it starts ends with
 * the test program. */
#pragma once
#include "move/guest_port.h"
#include <stdbool.h>
#include <sys/types.h>

struct vm {
        pid_t pid;
        char socket[96], image[96];
};

struct rig {
        const char *kind;
        uint64_t bytes;
        int (*open)(const char *path, int wait_ms, hb_guest_port **ret, struct hb_err *e);
        /* Starts a guest on the file `image`, of `bytes`; incoming: it waits to be filled. */
        void (*start)(const char *dir, const char *name, uint64_t bytes, bool incoming, struct vm *ret);
};

extern const struct rig rig_qemu, rig_process;
void rig_kill(struct vm *v);                          /* and reap; harmless twice */
pid_t rig_spawn(char *const argv[], const char *log); /* dies with us */
void rig_paths(const char *dir, const char *name, uint64_t bytes, struct vm *ret);
int rig_guest_main(int argc, char **argv); /* the process rig's guest: our own program, run again */
