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
        bool again;          /* at the end, begin again after some seconds */
        int stop_fd;         /* readable: stop; -1 */
        int eof_fd;          /* at its end: stop; what comes before is read and forgotten; -1 */
        /* Of the simulated link between the hosts, as hb_replay_options; 0: the default. A replay that
         * repeats recorded decisions has the link that was recorded */
        double link_bytes_per_s, latency_s;
        bool simulated; /* never the recorded decisions: every trace takes orders */
};
typedef struct hb_stage hb_stage;
/* Makes dir (0700) with its two sockets, or -EEXIST. */
int hb_stage_new(const char *dir, const struct hb_stage_options *o, hb_stage **ret, struct hb_err *e);
int hb_stage_run(hb_stage *s, struct hb_err *e);
hb_stage *hb_stage_free(hb_stage *s); /* sockets and folder are gone */

/* The shipped traces of the demonstration, in the order in which they are to be given: how many there are,
 * their paths. Beside this program's installation or in its build folder. -ENOENT. */
#define HB_STAGE_DEMO_MAX 4u
int hb_stage_demo_traces(char ret[HB_STAGE_DEMO_MAX][4096], struct hb_err *e);
/* What shows them best: the link, when the first guest moves, begin again. traces and stop_fd stay yours. */
void hb_stage_demo_options(struct hb_stage_options *o);
