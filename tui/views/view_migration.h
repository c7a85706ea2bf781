/* view_migration: what its files share. The view is about one guest (memory's subject); the table of moves
 * done and the list of moves under way are of all. Memory's detail is "to HOST": the host that the estimate
 * is for, where the guest is not placed. */
#pragma once
#include "views/common.h"

/* Before: what a move would cost now, against the limits. Asks the guest's host for a dry run. */
void hb_migration_build_estimate(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g);
/* The host a move would go to: where it is placed, else the one chosen, else the only one there is. "" */
const char *hb_migration_target(struct hb_view_ctx *c, const struct hb_guest_seen *g, char buf[96]);

/* During: the steps of a hand-over, its progress, whether it can still be aborted. */
void hb_migration_build_move(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g,
                             const json_t *handover);
/* Every hand-over on all hosts, one line each; nothing where there is none. */
void hb_migration_build_all(struct hb_view_ctx *c, hb_doc *d, const char *except);
/* NULL: it can be aborted; else why not. */
const char *hb_migration_no_abort(const json_t *handover);

/* After: the main table. */
void hb_migration_build_past(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g);
/* The guest of a row of it; "" */
const char *hb_migration_row_guest(const char *row, char buf[160]);
