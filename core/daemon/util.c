/* util: small things the wiring files share. */
#include "base/clock.h"
#include "daemon/daemon.h"
#include "daemon/events.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void hb_id_random(uint8_t id[16]) {
        while (getrandom(id, 16, 0) != 16) /* interrupted before the pool was ready */
                ;
}

void hb_id_hex(const uint8_t id[16], char out[33]) {
        for (int i = 0; i < 16; i++)
                snprintf(out + 2 * i, 3, "%02x", id[i]);
}

uint64_t hb_ms_to_ns(int ms) {
        return (uint64_t)ms * HB_NS_PER_MS;
}

struct timeval hb_timeval(uint64_t ns) {
        return (struct timeval){(time_t)(ns / HB_NS_PER_S), (suseconds_t)(ns % HB_NS_PER_S / 1000)};
}

void hb_daemon_history(hb_daemon *d, const char *kind, const char *guest, const char *from, const char *to,
                       const char *result, json_t *figures) {
        struct hb_history_entry *h = calloc(1, sizeof *h);
        struct hb_err e;
        if (!h)
                return;
        h->wall_ns = hb_wall_ns();
        snprintf(h->kind, sizeof h->kind, "%s", kind);
        snprintf(h->guest, sizeof h->guest, "%s", guest);
        snprintf(h->from, sizeof h->from, "%s", from);
        snprintf(h->to, sizeof h->to, "%s", to);
        snprintf(h->result, sizeof h->result, "%s", result);
        char *text = figures ? json_dumps(figures, JSON_COMPACT) : NULL;
        snprintf(h->json, sizeof h->json, "%s", text && strlen(text) < sizeof h->json ? text : "{}");
        if (hb_history_add(d->store, h, &e) < 0)
                hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_DAEMON, NULL, NULL, "writing history", &e);
        free(text);
        json_decref(figures);
        free(h);
}
