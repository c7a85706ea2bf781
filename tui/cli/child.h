/* child: runs another program and takes what it prints; for doctor. */
#pragma once
#include <stddef.h>

/* Runs argv[0] (looked up in PATH), standard input empty; its output and its messages land NUL-ended in buf,
 * cut at size. Returns its exit status, 128 + N when signal N ended it; -ENOENT when it cannot be started,
 * -ETIMEDOUT when it had to be killed. */
int hb_cli_child(char *const *argv, int timeout_ms, char *buf, size_t size);
