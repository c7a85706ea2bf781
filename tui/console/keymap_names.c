/* keymap_names: keys by name, both ways, from one table. Names of several letters are the same in upper and
 * lower case; a name of one character is that character. Pure. */
#include "console/keymap.h"
#include "draw/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
        const char *name;
        int key;
} named[] = {
        {"space", HB_KEY_SPACE},
        {"tab", HB_KEY_TAB},
        {"enter", HB_KEY_ENTER},
        {"esc", HB_KEY_ESC},
        {"backspace", HB_KEY_BACKSPACE},
        {"up", HB_KEY_UP},
        {"down", HB_KEY_DOWN},
        {"left", HB_KEY_LEFT},
        {"right", HB_KEY_RIGHT},
        {"pgup", HB_KEY_PGUP},
        {"pgdn", HB_KEY_PGDN},
        {"home", HB_KEY_HOME},
        {"end", HB_KEY_END},
        {"ins", HB_KEY_INS},
        {"del", HB_KEY_DEL},
        {"resize", HB_KEY_RESIZE}, /* shown, never bound */
        {"mouse", HB_KEY_MOUSE},
};
#define NAMED (sizeof(named) / sizeof(named[0]))

/* What terminals send for these is what other keys send. */
static int control_key(char letter) {
        switch (letter) {
        case 'h':
                return HB_KEY_BACKSPACE;
        case 'i':
                return HB_KEY_TAB;
        case 'j':
        case 'm':
                return HB_KEY_ENTER;
        default:
                return letter - 'a' + 1;
        }
}

static int function_key(const char *digits) {
        char *end;
        long n = strtol(digits, &end, 10);

        return *digits >= '1' && *digits <= '9' && *end == '\0' && n <= 12 ? HB_KEY_F1 + (int)n - 1 : -EINVAL;
}

/* One character that could be drawn: what comes back as '?' must have been one. */
static int character(const char *name) {
        const char *at = name;
        uint32_t ch = hb_text_next(&at, true);

        return *at == '\0' && ch > ' ' && (ch != '?' || *name == '?') ? (int)ch : -EINVAL;
}

static int lookup(const char *name) {
        if (name[0] == '\0' || name[1] == '\0')
                return character(name);
        for (size_t i = 0; i < NAMED; i++)
                if (strcasecmp(named[i].name, name) == 0)
                        return named[i].key;
        if (strncasecmp(name, "ctrl-", 5) == 0 && name[5] && name[6] == '\0') {
                char letter = (char)(name[5] | 0x20);

                return letter >= 'a' && letter <= 'z' ? control_key(letter) : -EINVAL;
        }
        if (name[0] == 'f' || name[0] == 'F')
                return function_key(name + 1);
        return character(name);
}

int hb_key_from_name(const char *name, int *ret) {
        int key = lookup(name);

        if (key < 0)
                return key;
        *ret = key;
        return 0;
}

const char *hb_key_name(int key, char buf[16]) {
        for (size_t i = 0; i < NAMED; i++)
                if (named[i].key == key) {
                        snprintf(buf, 16, "%s", named[i].name);
                        return buf;
                }
        if (key >= HB_KEY_F1 && key <= HB_KEY_F12) {
                snprintf(buf, 16, "f%d", key - HB_KEY_F1 + 1);
        } else if (key >= 1 && key <= 26) {
                snprintf(buf, 16, "ctrl-%c", 'a' + key - 1);
        } else if (key > ' ' && key < HB_KEY_FIRST) {
                uint32_t ch = hb_text_clean((uint32_t)key, true);

                buf[hb_char_encode(ch, buf)] = '\0';
        } else {
                snprintf(buf, 16, "-");
        }
        return buf;
}
