/* snapshot: all of a host in short, as those who watch get it each second (docs/CONTROL.md, "watch"). Made
 * directly as text from what the daemon holds: no tree, nothing of the long forms. Reads only. Loop thread.
 */
#pragma once
#include "control/json_out.h"
#include "daemon/daemon.h"

typedef struct hb_snapshot hb_snapshot; /* what is remembered from one to the next */
int hb_snapshot_new(hb_daemon *d, hb_snapshot **ret);
hb_snapshot *hb_snapshot_free(hb_snapshot *s);
/* Members of the tick's object; arg: an hb_snapshot. */
void hb_snapshot_write(void *arg, uint64_t now_ns, struct hb_json_out *o);
