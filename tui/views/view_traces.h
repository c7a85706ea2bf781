/* view_traces: what its files share. */
#pragma once
#include "views/parts.h"

/* State, time and keys of the replay that runs; nothing where there is none. */
void hb_traces_build_replay(struct hb_view_ctx *c, hb_doc *d);
