/* model_view: models and their evaluations, as text and as JSON. */
#pragma once
#include "cli/command.h"
#include "learn/card.h"
#include "learn/eval.h"

json_t *hb_model_real(double v); /* null where it is no number */
json_t *hb_model_card_json(const struct hb_model_info *i);
void hb_model_card_show(struct hb_cli *c, const struct hb_model_info *i);

json_t *hb_model_eval_json(const struct hb_eval *v); /* NULL: no memory */
/* A table for each trace, the means, and who is best where. */
void hb_model_eval_show(struct hb_cli *c, const struct hb_eval *v);
