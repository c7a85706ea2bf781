/* recover: taking up after a restart what the store remembers. Order: hand-overs that were under way first
 * (their guests are theirs until they end), then the other guests, each with its placement. Images wait for
 * their sources to dial. */
#pragma once
#include "daemon/guest.h"

/* Attaches a guest that the store knows, and takes up its placement. One whose process has ended is
 * forgotten, with a line of history. */
void hb_recover_attach(hb_daemon *d, const char *name, const char *kind, const char *path,
                       const char *tracker);
void hb_recover_remember(hb_daemon *d, const char *guest, const char *kind, const char *path);
void hb_recover_forget(hb_daemon *d,
                       const char *guest); /* the store knows it, and a placement of it, no more */
/* The files of its memory that a hand-over made here, one a line, or as the journal knows them. Only where
 * its VMM has ended. */
void hb_recover_remove_files(const char *list);
void hb_recover_remove_memory(hb_daemon *d, const char *guest);
/* Images of a guest without a live placement object, by the store: they became the guest / they are of no
 * use. */
void hb_recover_release_image(hb_daemon *d, const char *guest);
bool hb_recover_drop_image(hb_daemon *d, const char *guest); /* false: there is none */
