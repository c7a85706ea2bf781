/* status: what this host looks like from outside, as JSON. */
#pragma once
#include "daemon/daemon.h"
#include <string.h>

struct hb_incoming;
json_t *hb_status_json(const hb_daemon *d, const char *only /* NULL: all */);
json_t *hb_image_info_json(const struct hb_incoming *in);
json_t *hb_doctor_json(const hb_daemon *d);
json_t *hb_probe_json(void); /* what this kernel's trackers can do; needs no daemon */
