/* out: the way out of the emulator: a thread that writes whole frames to a descriptor, and may tick.
 *
 * In user mode the emulator's descriptors are the traced program's own: it may close ours or find it, and a
 * write by the emulator could land in a file of the program's. So the thread takes the descriptor into a
 * table of its own, where nothing else is; everywhere else it is closed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hb_out hb_out;

/* Takes fd, on success and on failure. tick_ns 0: never ticks. `tick` runs in the thread, and may send. */
int hb_out_start(int fd, uint64_t tick_ns, void (*tick)(void *arg), void *arg, hb_out **ret);
/* Takes `frames` (malloc). Waits while the reader is far behind. -EPIPE: nobody reads any more. */
int hb_out_send(hb_out *o, void *frames, size_t size);
/* Returns when all that was sent is written. */
void hb_out_drain(hb_out *o);
/* Writes what is left and ends the thread. Only in the process that started it. */
void hb_out_finish(hb_out *o);
