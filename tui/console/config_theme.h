/* config_theme: what styles look like. A theme of the settings goes over these. */
#pragma once
#include "console/config.h"

/* What a style looks like where nobody said otherwise. `colors` and `background` as they came out, not AUTO
 * for colours; HB_BACKGROUND_AUTO: it is not known, so colours that can be read on black and on white. */
struct hb_look hb_theme_default(enum hb_style s, enum hb_colors colors, enum hb_background background);
/* "214 on black bold"; returns 0, or -EINVAL with *e saying which word (its `which` is for the caller). */
int hb_look_parse(const char *text, struct hb_look *ret, struct hb_err *e);
/* The reverse; returns buf. */
#define HB_LOOK_TEXT 96
const char *hb_look_text(const struct hb_look *l, char buf[HB_LOOK_TEXT]);
/* A colour of 256 as one of the 16: the nearest hue. -1 stays -1. */
short hb_color_16(short color);
