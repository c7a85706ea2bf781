/* keymap: which key means which action. Letters first, every F-key a twin of a letter (tmux and terminals eat
 * some F-keys). Made from one table, changed by the settings' [keys]; the key list of `?` is made from it.
 *
 * Keys by name: "a", "A", "/", "space", "tab", "enter", "esc", "backspace", "up", "down", "left", "right",
 * "pgup", "pgdn", "home", "end", "ins", "del", "f1".."f12", "ctrl-l". */
#pragma once
#include "base/err.h"
#include "views/view.h"

/* What the screen reads: a Unicode character, or one of these. */
enum hb_key {
        HB_KEY_NONE = 0,
        HB_KEY_TAB = 9,
        HB_KEY_ENTER = 10,
        HB_KEY_ESC = 27,
        HB_KEY_SPACE = 32,
        HB_KEY_BACKSPACE = 127,
        HB_KEY_FIRST = 0x110000,
        HB_KEY_UP = HB_KEY_FIRST,
        HB_KEY_DOWN,
        HB_KEY_LEFT,
        HB_KEY_RIGHT,
        HB_KEY_PGUP,
        HB_KEY_PGDN,
        HB_KEY_HOME,
        HB_KEY_END,
        HB_KEY_INS,
        HB_KEY_DEL,
        HB_KEY_RESIZE,
        HB_KEY_F1,
        HB_KEY_F12 = HB_KEY_F1 + 11,
        HB_KEY_MOUSE
};
int hb_key_from_name(const char *name, int *ret); /* -EINVAL */
const char *hb_key_name(int key, char buf[16]);

typedef struct hb_keymap hb_keymap;
int hb_keymap_new(hb_keymap **ret); /* the defaults */
hb_keymap *hb_keymap_free(hb_keymap *k);
/* "migrate", "m f9": these keys and no others; a key that meant something else before loses that, unless that
 * something was set too: -EEXIST. "": no key. -EINVAL: no such action or key, with a suggestion. */
int hb_keymap_set(hb_keymap *k, const char *action, const char *keys, struct hb_err *e);
enum hb_action hb_keymap_get(const hb_keymap *k, int key);
/* Rows of the key list, one an action that has keys, in the order of HB_ACTIONS; borrowed. */
unsigned hb_keymap_help(const hb_keymap *k, const struct hb_key_help **ret);
const char *hb_keymap_keys(const hb_keymap *k, enum hb_action a); /* "p, F4"; "" */
