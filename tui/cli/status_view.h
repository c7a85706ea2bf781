/* status_view: guests, placements and hand-overs as tables and pages, for every command that shows one.
 * Objects as in docs/CONTROL.md; members may be missing. */
#pragma once
#include "cli/command.h"

void hb_cli_view_guests(struct hb_cli *c, const json_t *guests); /* array: one row each */
void hb_cli_view_placements(struct hb_cli *c,
                            const json_t *guests); /* array of guests: a row for each one's placement */
void hb_cli_view_incoming(struct hb_cli *c, const json_t *incoming);   /* array */
void hb_cli_view_handovers(struct hb_cli *c, const json_t *handovers); /* array */
void hb_cli_view_guest(struct hb_cli *c, const json_t *guest);         /* one, in full */
void hb_cli_view_placement(struct hb_cli *c, const json_t *placement);
