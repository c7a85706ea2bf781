/* watch: this daemon's part of `watch` and of the other commands that an operator's console is made of
 * (serve/watchers.h shares the ticks). Loop thread. */
#pragma once
#include "daemon/daemon.h"

int hb_watch_new(hb_daemon *d, struct hb_err *e); /* and the events' ring, if it is not there */
void hb_watch_free(hb_daemon *d);
void hb_watch_cmd(hb_daemon *d, hb_request *r, json_t *args);
void hb_watch_cmd_replay(hb_daemon *d, hb_request *r, json_t *args); /* here is none */
