/* outgoing_priv: what the files of an outgoing placement share. outgoing.c its life, session and connections,
 * outgoing_announce.c what the target is told of the guest's memory, outgoing_trend.c what its reports come
 * to. */
#pragma once
#include "daemon/outgoing.h"

/* ---- outgoing_announce.c ---- */
/* What a target that has processed `since` has missed. */
int hb_outgoing_announce_since(struct hb_outgoing *p, uint32_t since);
/* Asks the guest's thread for the holes in its memory; they are announced when it answers. */
int hb_outgoing_look_for_holes(struct hb_outgoing *p);

/* ---- outgoing_trend.c ---- */
void hb_outgoing_track(struct hb_outgoing *p); /* a report has come */
