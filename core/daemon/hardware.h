/* hardware: what this daemon computes checksums and compression with: the sums chosen by the processor
 * (core/sum), and the library named in [transport] zstd_producer. On the loop thread. */
#pragma once
#include "transport/producer.h"
#include <jansson.h>

struct hb_daemon;
struct hb_hardware;
/* Loads the producer if one is named. One that cannot be used is logged and told by doctor, and zstd works
 * alone. */
int hb_hardware_new(struct hb_daemon *d);
/* Every server that uses the producer is gone. */
void hb_hardware_free(struct hb_daemon *d);
hb_producer *hb_hardware_producer(const struct hb_daemon *d); /* NULL: none */
json_t *hb_hardware_json(const struct hb_daemon *d);
void hb_hardware_doctor(const struct hb_daemon *d,
                        void (*add)(void *arg, const char *name, const char *ok, const char *next,
                                    const char *detail),
                        void *arg);
