/* view_placement: the parts of the placement view. */
#pragma once
#include "views/common.h"

struct hb_placement_seen {
        const struct hb_guest_seen *g;
        struct hb_view_figures f;
        const json_t *out;  /* the placement in full, of the source; NULL: not told yet */
        const json_t *in;   /* the incoming placement in full, of the target; NULL */
        const json_t *last; /* figures of the guest's last move, of the source's history; NULL */
};
/* What crosses the link and what it is for (view_placement_flow.c). */
void hb_placement_image(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_outlook(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_bytes(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_use(hb_doc *d, const struct hb_placement_seen *p);
/* What the target decides by, and how pages come (view_placement_target.c). */
void hb_placement_scores(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_policies(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_path(hb_doc *d, const struct hb_placement_seen *p);
void hb_placement_history(const struct hb_view_ctx *c, hb_doc *d, const struct hb_placement_seen *p);
