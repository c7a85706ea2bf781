/* events: see events.h. Cost: a log line. */
#include "daemon/events.h"
#include "base/clock.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(hb_daemon *d, enum hb_log_level level, enum hb_event_kind kind, const char *guest,
                const char *host, const char *text, const char *next) {
        if (d->events && level < HB_LOG_DEBUG)
                hb_event_ring_add(d->events, hb_wall_ns(), (int)level, kind, guest, host, text, next);
}

void hb_daemon_event(hb_daemon *d, enum hb_log_level level, enum hb_event_kind kind, const char *guest,
                     const char *host, const char *next, const char *fmt, ...) {
        char text[1024];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        hb_log(level, "%s%s%s", text, next && *next ? ": " : "", next ? next : "");
        add(d, level, kind, guest, host, text, next);
}

void hb_daemon_event_err(hb_daemon *d, enum hb_log_level level, enum hb_event_kind kind, const char *guest,
                         const char *host, const char *doing, const struct hb_err *e) {
        char text[640];
        bool named = e->which[0] && (!guest || strcmp(e->which, guest) != 0) &&
                     (!host || strcmp(e->which, host) != 0);
        hb_log_err(level, doing, e);
        snprintf(text, sizeof text, "%s: %s%s%s%s", doing, e->what, named ? " (" : "", named ? e->which : "",
                 named ? ")" : "");
        add(d, level, kind, guest, host, text, e->next);
}

static int64_t whole(json_t *args, const char *key, int64_t fallback) {
        json_t *v = json_object_get(args, key);
        return json_is_integer(v) ? json_integer_value(v) : fallback;
}

void hb_events_cmd(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_err e;
        json_t *j = hb_event_ring_answer(d->events, whole(args, "after", -1), whole(args, "limit", 200));
        if (j) {
                hb_request_ok(r, j);
                return;
        }
        hb_err_set(&e, -ENOMEM, "events", NULL, "no memory for the answer");
        hb_request_fail(r, &e);
}
