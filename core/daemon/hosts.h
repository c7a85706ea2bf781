/* hosts: the other hosts of the settings, each with what goes on with it and what its links show. Gathered
 * from placements and images; keeps nothing. Loop thread. */
#pragma once
#include "control/json_out.h"
#include "daemon/daemon.h"

/* Member "hosts", as docs/CONTROL.md has it; those with something going on first; none after the text has
 * `room` bytes. Returns how many were left out. */
uint64_t hb_hosts_write(const hb_daemon *d, size_t room, struct hb_json_out *o);
json_t *hb_hosts_json(const hb_daemon *d); /* the list; NULL: no memory */
