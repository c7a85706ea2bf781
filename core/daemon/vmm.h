/* vmm: starts the destination's VMM from its command template. The process gets a session of its own, so that
 * it outlives the daemon; its output goes to a log file beside its socket. */
#pragma once
#include "base/shape.h"
#include <sys/types.h>

struct hb_vmm_start {
        const char *guest, *command, *socket_path, *log_path;
        const char *
                note_path; /* names the process from before it runs until the caller knows it by its socket */
        const struct hb_shape *shape;
        char image_paths[HB_MAX_REGIONS][320];
};
/* BLOCKING only for fork and exec. Returns with the child's pidfd (readable once it ended). The child is
 * reaped by the system (SIGCHLD is ignored in harbingerd). */
int hb_vmm_spawn(const struct hb_vmm_start *v, int *ret_pidfd, struct hb_err *e);
/* Ends what was spawned and did not become a VMM: the whole session of its command. */
void hb_vmm_kill(int pidfd);
/* The same for what an earlier life of the daemon spawned, by its note, which is removed. BLOCKING until it
 * has ended; -ETIMEDOUT. No note: nothing to do. */
int hb_vmm_kill_noted(const char *note_path);
/* The last lines of the log, for an error message. */
void hb_vmm_log_tail(const char *log_path, char *out, size_t size);
