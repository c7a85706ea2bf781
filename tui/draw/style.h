/* style: what a cell means, not what colour it has; the screen's theme gives each a colour or an attribute.
 * No style alone carries a meaning: whoever draws puts a word, letter or sign beside it. */
#pragma once

enum hb_style {
        HB_STYLE_NORMAL,
        HB_STYLE_DIM,
        HB_STYLE_STRONG,
        HB_STYLE_TITLE,  /* the bar on top, headings */
        HB_STYLE_COLUMN, /* column headings */
        HB_STYLE_KEY,    /* a key to press */
        HB_STYLE_GOOD,
        HB_STYLE_NOTE,
        HB_STYLE_WARN,
        HB_STYLE_BAD,
        HB_STYLE_CHOSEN, /* the selected row */
        HB_STYLE_FOUND,  /* what the filter found */
        HB_STYLE_SENT,   /* parts of a bar, classes of a grid */
        HB_STYLE_FRESH,
        HB_STYLE_STALE,
        HB_STYLE_ABSENT,
        HB_STYLE_COPIED,
        HB_STYLE_ZERO,
        HB_STYLE_READ,
        HB_STYLE_WRITE,
        HB_STYLE_EXPECTED,
        HB_STYLE_HEAT0, /* to HEAT5: levels of a heat map */
        HB_STYLE_HEAT1,
        HB_STYLE_HEAT2,
        HB_STYLE_HEAT3,
        HB_STYLE_HEAT4,
        HB_STYLE_HEAT5,
        HB_STYLES
};
const char *hb_style_name(enum hb_style s); /* "good", "heat3": of themes in the settings, and of --json */
int hb_style_from_name(const char *name, enum hb_style *ret); /* -EINVAL */
