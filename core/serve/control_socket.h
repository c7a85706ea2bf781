/* control_socket: the control socket as a file: who may reach it, what becomes of one left behind by a killed
 * daemon. */
#pragma once
#include "base/err.h"

typedef struct hb_control_socket hb_control_socket;
/* A listening, non-blocking socket at `path`, mode 0660, group by name ("": the process's). -EADDRINUSE:
 * another program listens there; -EEXIST: something that is not a socket; -ENOENT: no such folder or group.
 */
int hb_control_socket_open(const char *path, const char *group, hb_control_socket **ret, struct hb_err *e);
int hb_control_socket_fd(const hb_control_socket *s);
/* Removes the file, if it still is ours. NULL allowed. Closing the descriptor before (the listener does not
 * own it) is not needed. */
hb_control_socket *hb_control_socket_close(hb_control_socket *s);
