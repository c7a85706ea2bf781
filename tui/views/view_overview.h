/* view_overview: the parts of the overview. */
#pragma once
#include "views/common.h"

/* Hosts, links and what watching costs: as many lines as there is room for (view_overview_hosts.c). */
void hb_overview_hosts(struct hb_view_ctx *c, hb_doc *d);
