/* fuzz_console_config: any file is either refused with its line and a reason, or gives settings that hold
 * what their header promises. */
#include "console/config.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_keys(const hb_keymap *k) {
        const struct hb_key_help *rows;
        unsigned n = hb_keymap_help(k, &rows);

        for (unsigned i = 0; i < n; i++)
                check(rows[i].action > HB_DO_NONE && rows[i].action < HB_DO_COUNT && rows[i].keys[0]);
        check(hb_keymap_get(k, HB_KEY_NONE) == HB_DO_NONE);
        check(hb_keymap_get(k, HB_KEY_RESIZE) == HB_DO_NONE && hb_keymap_get(k, 3) == HB_DO_NONE);
}

static void check_config(const struct hb_config *c) {
        unsigned n = 0;

        check(c->glyphs >= -1 && c->glyphs <= (int)HB_GLYPHS_BRAILLE && (unsigned)c->view < HB_VIEWS);
        check((unsigned)c->colors <= HB_COLORS_256 && (unsigned)c->background <= HB_BACKGROUND_LIGHT);
        check(c->every >= 1 && c->every <= 3600);
        while (c->sockets[n]) {
                check(c->sockets[n][0] == '/' && strlen(c->sockets[n]) < 108);
                n++;
        }
        check(n <= HB_CONFIG_SOCKETS);
        for (unsigned s = 0; s < HB_STYLES; s++)
                check(c->theme[s].fg >= -1 && c->theme[s].fg <= 255 && c->theme[s].bg >= -1 &&
                      c->theme[s].bg <= 255);
        check_keys(c->keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_config *c = NULL;
        struct hb_err e = {0};
        int r = hb_config_parse((const char *)data, size, "f.ini", &c, &e);

        if (r < 0) {
                check(!c && e.code == r && e.what[0] && strncmp(e.which, "f.ini:", 6) == 0);
                return 0;
        }
        check_config(c);
        hb_config_free(c);
        return 0;
}
