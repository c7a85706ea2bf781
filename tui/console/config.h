/* config: the operator's settings of the console: an INI file they own and this program never writes.
 *
 *   [console]  glyphs = auto|ascii|block|braille   colors = auto|none|16|256   background = auto|dark|light
 *              view = overview   every = 1          mouse = no   sockets = /run/a.sock /run/b.sock
 *   [keys]     ACTION = KEY KEY ...
 *   [theme]    STYLE = COLOR [on COLOR] [bold] [reverse] [underline]     colours by name, or 0..255
 *
 * $XDG_CONFIG_HOME/harbinger/console.ini (~/.config where that is not set), or --config FILE. An unknown
 * section, key, action, style or value is an error with its line and a suggestion; a missing default file is
 * not. */
#pragma once
#include "base/err.h"
#include "console/keymap.h"
#include "draw/style.h"
#include <stdio.h>

enum hb_colors { HB_COLORS_AUTO, HB_COLORS_NONE, HB_COLORS_16, HB_COLORS_256 };
enum hb_background { HB_BACKGROUND_AUTO, HB_BACKGROUND_DARK, HB_BACKGROUND_LIGHT };
struct hb_look { /* of one style; -1: the terminal's own */
        short fg, bg;
        bool bold, reverse, underline, dim;
};
#define HB_CONFIG_SOCKETS 64u
struct hb_config {
        int glyphs; /* enum hb_glyphs; -1: auto */
        enum hb_colors colors;
        enum hb_background background;
        enum hb_view_id view;
        unsigned every;
        bool mouse;
        char *sockets[HB_CONFIG_SOCKETS + 1];
        bool themed[HB_STYLES];
        struct hb_look theme[HB_STYLES];
        hb_keymap *keys;
};
/* path NULL: the default place. */
int hb_config_new(const char *path, struct hb_config **ret, struct hb_err *e);
/* The same from bytes; `path` is only for errors. -EINVAL; -EEXIST: two actions with one key. */
int hb_config_parse(const char *text, size_t size, const char *path, struct hb_config **ret,
                    struct hb_err *e);
/* Every setting with its default and what it may be, commented out: examples/settings/console.ini. */
void hb_config_reference(FILE *out);
struct hb_config *hb_config_free(struct hb_config *c);
