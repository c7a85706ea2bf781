/* stage: traces played behind the control socket's language, so that the console shows a replay in the same
 * views as a live pair of hosts: two sockets, DIR/a.sock (the host guests run on) and DIR/b.sock (the host
 * they are placed on), answering `watch`, `status`, `guest.map`, `policy.list` and what else only reads, from
 * the production engine in a replay; `replay` (play, pause, step, seek, speed) to both; `migrate`,
 * `migrate.abort`, `place`, `unplace` on the simulated hosts. What a replay cannot do answers EOPNOTSUPP with
 * a sentence why.
 *
 * Deterministic but for the wall clock that paces it. No root, no VM, no daemon. One thread. */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct hb_stage_options {
        const char *const *traces; /* one guest each; NULL ends them */
        const char *policy_dir;    /* as hb_replay_options */
        double speed;              /* 1: as it was recorded */
        bool paused;
        double migrate_at_s; /* the first guest moves then by itself; < 0: never; a trace with a recorded
                              * move shows that one */
        bool again;          /* at the end, begin again */
        int stop_fd;         /* readable (or at its end): stop; -1 */
};
typedef struct hb_stage hb_stage;
/* Makes dir (0700) with its two sockets, or -EEXIST. */
int hb_stage_new(const char *dir, const struct hb_stage_options *o, hb_stage **ret, struct hb_err *e);
int hb_stage_run(hb_stage *s, struct hb_err *e);
hb_stage *hb_stage_free(hb_stage *s); /* sockets and folder are gone */
