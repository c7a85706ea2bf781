/* config_values: the rows of [console]; the settings' reader and their reference are both made from them. */
#pragma once
#include "console/config.h"

struct hb_config_row {
        const char *key, *otherwise; /* the default, as it would be written */
        const char *help;
        const char *const *words; /* what it may be, NULL ends them; NULL: other values */
        int (*set)(struct hb_config *c, const char *value, int word, struct hb_err *e); /* word: its number */
};
extern const struct hb_config_row hb_config_rows[];
extern const unsigned hb_config_rows_count;

/* Sets one row; -EINVAL with what and next (which: for the caller). -ENOMEM. */
int hb_config_set(struct hb_config *c, const struct hb_config_row *r, const char *value, struct hb_err *e);
