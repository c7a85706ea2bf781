/* guest_look: `guest.map`: looks at the pages of a guest that is here, or is to come here, a slice at a time,
 * and answers with the picture (guest_map.h). Changes nothing. Loop thread. */
#pragma once
#include "daemon/daemon.h"

void hb_guest_map_cmd(hb_daemon *d, hb_request *r, json_t *args);
void hb_guest_looks_free(hb_daemon *d); /* ends those under way */
