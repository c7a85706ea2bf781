/* policy_view: policies, their figures and their history as tables. Objects as in docs/CONTROL.md; members
 * may be missing. */
#pragma once
#include "cli/command.h"

void hb_cli_view_policies(struct hb_cli *c, const json_t *list);  /* result of policy.list */
void hb_cli_view_policy(struct hb_cli *c, const json_t *policy);  /* of policy.show, without its source */
void hb_cli_view_shadow(struct hb_cli *c, const json_t *shadow);  /* of policy.shadow */
void hb_cli_view_params(struct hb_cli *c, const json_t *params);  /* array */
void hb_cli_view_events(struct hb_cli *c, const json_t *events);  /* array */
void hb_cli_view_explained(struct hb_cli *c, const json_t *page); /* of policy.explain */
/* "calm@2", "" where there is none. */
const char *hb_cli_policy_name(const json_t *version, char *buf, size_t size);
/* Placements that did not take a change, on standard error; the number of them. */
unsigned hb_cli_say_failed(struct hb_cli *c, const json_t *result);
