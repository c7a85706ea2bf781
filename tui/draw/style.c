/* style: names of what cells mean, one row each; the order is that of the enum. Pure. */
#include "draw/style.h"
#include <errno.h>
#include <string.h>

static const char *const names[HB_STYLES] = {
        [HB_STYLE_NORMAL] = "normal", [HB_STYLE_DIM] = "dim",       [HB_STYLE_STRONG] = "strong",
        [HB_STYLE_TITLE] = "title",   [HB_STYLE_COLUMN] = "column", [HB_STYLE_KEY] = "key",
        [HB_STYLE_GOOD] = "good",     [HB_STYLE_NOTE] = "note",     [HB_STYLE_WARN] = "warn",
        [HB_STYLE_BAD] = "bad",       [HB_STYLE_CHOSEN] = "chosen", [HB_STYLE_FOUND] = "found",
        [HB_STYLE_SENT] = "sent",     [HB_STYLE_FRESH] = "fresh",   [HB_STYLE_STALE] = "stale",
        [HB_STYLE_ABSENT] = "absent", [HB_STYLE_COPIED] = "copied", [HB_STYLE_ZERO] = "zero",
        [HB_STYLE_READ] = "read",     [HB_STYLE_WRITE] = "write",   [HB_STYLE_EXPECTED] = "expected",
        [HB_STYLE_HEAT0] = "heat0",   [HB_STYLE_HEAT1] = "heat1",   [HB_STYLE_HEAT2] = "heat2",
        [HB_STYLE_HEAT3] = "heat3",   [HB_STYLE_HEAT4] = "heat4",   [HB_STYLE_HEAT5] = "heat5",
};

const char *hb_style_name(enum hb_style s) {
        return (unsigned)s < HB_STYLES ? names[s] : "normal";
}

int hb_style_from_name(const char *name, enum hb_style *ret) {
        for (unsigned s = 0; s < HB_STYLES; s++)
                if (strcmp(names[s], name) == 0) {
                        *ret = (enum hb_style)s;
                        return 0;
                }
        return -EINVAL;
}
