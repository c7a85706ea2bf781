/* units: numbers with units as people type them. 0, or -EINVAL and nothing is written: no number, another
 * unit, something behind it, negative, or too large. A unit's case is free where nothing else is meant by
 * it. */
#pragma once
#include <stdint.h>

int hb_units_bytes(const char *text, uint64_t *ret); /* 4096 64KiB 64MiB 1G: k M G T are thousands */
int hb_units_rate(const char *text, double *ret);    /* bytes/s from 1gbit 800Mbit 125MB/s 1e9 12MiB */
int hb_units_seconds(const char *text, double *ret); /* 200us 1.5ms 10 10s 5min 1h */
