/* file_put: a whole file, or the former one: written beside, synced, closed, renamed. What goes wrong leaves
 * nothing beside. Any thread. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

/* `mode` is the file's, whatever the umask. `fault`: name of the fault point in each write. Negative errno.
 */
int hb_file_put(const char *path, const void *data, size_t size, mode_t mode, const char *fault);
