/* hardware: held from start to end of the daemon, for a library that was loaded may have threads of its own
 * and states in use on any connection; so the setting is fixed. */
#include "daemon/hardware.h"
#include "daemon/daemon.h"
#include "daemon/events.h"
#include "sum/sum.h"
#include "transport/page_codec.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct hb_hardware {
        hb_producer *producer;
        struct hb_err why_not; /* code 0: there is none to load, or it works */
};

int hb_hardware_new(struct hb_daemon *d) {
        d->hardware = calloc(1, sizeof *d->hardware);
        if (!d->hardware)
                return -ENOMEM;
        if (d->settings->zstd_producer[0] &&
            hb_producer_load(d->settings->zstd_producer, &d->hardware->producer, &d->hardware->why_not) < 0)
                hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_DAEMON, NULL, NULL,
                                    "zstd finds its matches itself", &d->hardware->why_not);
        return 0;
}

void hb_hardware_free(struct hb_daemon *d) {
        if (!d->hardware)
                return;
        hb_producer_free(d->hardware->producer);
        free(d->hardware);
        d->hardware = NULL;
}

hb_producer *hb_hardware_producer(const struct hb_daemon *d) {
        return d->hardware ? d->hardware->producer : NULL;
}

json_t *hb_hardware_json(const struct hb_daemon *d) {
        hb_producer *p = hb_hardware_producer(d);
        struct hb_producer_stats st = {0};
        struct hb_sum_described s;
        hb_sum_describe(&s);
        if (p)
                hb_producer_stats(p, &st);
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "crc32c", s.crc32c, "crc64", s.crc64, "page_hash",
                         s.hash64, "zstd", hb_page_codec_zstd_version(), "producer",
                         p ? hb_producer_path(p) : "none", "producer_blocks", (json_int_t)st.blocks,
                         "producer_failed", (json_int_t)st.failed);
}

static void tell_producer(const hb_producer *p, char *to, size_t size) {
        struct hb_producer_stats st;
        hb_producer_stats(p, &st);
        snprintf(to, size, "zstd %s, producer %s: %llu blocks asked, %llu made by zstd instead",
                 hb_page_codec_zstd_version(), hb_producer_path(p), (unsigned long long)st.blocks,
                 (unsigned long long)st.failed);
}

void hb_hardware_doctor(const struct hb_daemon *d,
                        void (*add)(void *arg, const char *name, const char *ok, const char *next,
                                    const char *detail),
                        void *arg) {
        const hb_producer *p = hb_hardware_producer(d);
        struct hb_sum_described s;
        char detail[800];
        hb_sum_describe(&s);
        snprintf(detail, sizeof detail, "crc32c by %s, crc64 by %s, page hash by %s", s.crc32c, s.crc64,
                 s.hash64);
        add(arg, "checksums", "ok", "", detail);
        if (p) {
                tell_producer(p, detail, sizeof detail);
                add(arg, "compression", "ok", "", detail);
        } else if (d->hardware && d->hardware->why_not.code) {
                snprintf(detail, sizeof detail, "zstd %s alone; %s: %s", hb_page_codec_zstd_version(),
                         d->settings->zstd_producer, d->hardware->why_not.what);
                add(arg, "compression", "warn", d->hardware->why_not.next, detail);
        } else {
                snprintf(detail, sizeof detail, "zstd %s, producer none", hb_page_codec_zstd_version());
                add(arg, "compression", "ok", "", detail);
        }
}
