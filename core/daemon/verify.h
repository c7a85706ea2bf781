/* verify: the comparison of a frozen guest with its complete image, before device state flows. Done when the
 * settings ask for it, and always when the tracker's word alone does not make every fresh page right (hash: a
 * page that changed and changed back while it was copied). The source sends the hashes of its pages in order,
 * the target compares and answers once. */
#pragma once
#include "daemon/migrate.h"

bool hb_verify_wanted(const struct hb_handover *h);
/* Source: begins; ends in hb_handover_done or, when all is equal, in `then`. */
void hb_verify_begin(struct hb_handover *h, void (*then)(struct hb_handover *h));
void hb_verify_answer(struct hb_handover *h, const uint8_t *body, size_t size); /* VERIFIED, after the id */
/* Target: one VERIFY, after the id. */
void hb_verify_part(struct hb_handover *h, const uint8_t *body, size_t size);
