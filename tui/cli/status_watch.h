/* status_watch: `status --watch`: the status again with each tick of the daemon. */
#pragma once
#include "cli/command.h"

struct hb_cli_watch_use {
        const char *guest;                                    /* NULL: the host */
        unsigned every;                                       /* seconds */
        void (*show)(struct hb_cli *c, const json_t *status); /* prints one */
};
/* 0: ended by a SIGINT or SIGTERM, which is how it ends. Negative: never reached, or no such guest. */
int hb_cli_status_watch(struct hb_cli *c, const struct hb_cli_watch_use *u, struct hb_err *e);
