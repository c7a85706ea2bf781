/* recover: taking up after a restart what the store remembers. Order: hand-overs that were under way first
 * (their guests are theirs until they end), then the other guests, each with its placement. Images wait for
 * their sources to dial. */
#pragma once
#include "daemon/guest.h"

/* hb_guest_attached: the guest is back; its placement is taken up. arg: the daemon. */
void hb_recover_attached(void *arg, struct hb_guest *g, const struct hb_err *e);
/* Images of a guest without a live placement object, by the store: they became the guest / they are of no
 * use. */
void hb_recover_release_image(hb_daemon *d, const char *guest);
bool hb_recover_drop_image(hb_daemon *d, const char *guest); /* false: there is none */
