/* events: what the daemon decided and what befell it, said once: to the log, and to those who watch. The text
 * is the same in both. Loop thread. */
#pragma once
#include "base/log.h"
#include "daemon/daemon.h"
#include "serve/event_ring.h"

/* guest, host (another one than ours), next: NULL where there is none. What is no more than HB_LOG_DEBUG only
 * goes to the log. */
void hb_daemon_event(hb_daemon *d, enum hb_log_level level, enum hb_event_kind kind, const char *guest,
                     const char *host, const char *next, const char *fmt, ...)
        __attribute__((format(printf, 7, 8)));
/* "doing: what (which): next" in the log. */
void hb_daemon_event_err(hb_daemon *d, enum hb_log_level level, enum hb_event_kind kind, const char *guest,
                         const char *host, const char *doing, const struct hb_err *e);
void hb_events_cmd(hb_daemon *d, hb_request *r, json_t *args);
