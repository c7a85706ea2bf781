/* config_reference: the shipped console.ini, from the rows that the reader reads by. All is commented out, so
 * that the file as it is changes nothing. */
#include "console/config_theme.h"
#include "console/config_values.h"
#include <string.h>

#define WIDTH 100u

/* `text` as comment lines of at most WIDTH columns. */
static void comment(FILE *out, const char *text) {
        while (*text) {
                size_t n = strlen(text);

                if (n > WIDTH - 2)
                        for (n = WIDTH - 2; n > 1 && text[n] != ' ';)
                                n--;
                fprintf(out, "# %.*s\n", (int)n, text);
                text += n + (text[n] == ' ');
        }
}

static void one_of(FILE *out, const char *const *words) {
        fputs("#", out);
        for (unsigned i = 0; words[i]; i++)
                fprintf(out, "%s %s", i ? "," : "", words[i]);
        fputc('\n', out);
}

static void console(FILE *out) {
        fputs("\n[console]\n", out);
        for (unsigned i = 0; i < hb_config_rows_count; i++) {
                const struct hb_config_row *r = &hb_config_rows[i];

                if (i)
                        fputc('\n', out);
                comment(out, r->help);
                if (r->words)
                        one_of(out, r->words);
                fprintf(out, "#%s =%s%s\n", r->key, r->otherwise[0] ? " " : "", r->otherwise);
        }
}

/* "p, F4" as it is written in the file. */
static void key_list(FILE *out, const char *list) {
        for (; *list; list++)
                if (!(list[0] == ',' && list[1] == ' '))
                        fputc(*list, out);
}

static void keys(FILE *out) {
        const struct hb_key_help *rows;
        hb_keymap *k;
        unsigned n, group = ~0u;

        fputs("\n\n", out);
        comment(out,
                "ACTION = KEY KEY ...: these keys and no others; nothing after the \"=\": no key. A key that "
                "meant something else loses that. Keys are single characters or space, tab, enter, esc, "
                "backspace, up, down, left, right, pgup, pgdn, home, end, ins, del, f1 to f12, ctrl-a to "
                "ctrl-z.");
        fputs("[keys]\n", out);
        if (hb_keymap_new(&k) < 0)
                return;
        n = hb_keymap_help(k, &rows);
        for (unsigned i = 0; i < n; i++) {
                if (hb_action_group(rows[i].action) != group) {
                        group = hb_action_group(rows[i].action);
                        fprintf(out, "\n# %s\n", hb_action_group_title((enum hb_action_group)group));
                }
                fprintf(out, "# %s\n#%s = ", hb_action_help(rows[i].action), hb_action_name(rows[i].action));
                key_list(out, rows[i].keys);
                fputc('\n', out);
        }
        hb_keymap_free(k);
}

static void theme(FILE *out) {
        char text[HB_LOOK_TEXT];

        fputs("\n\n", out);
        comment(out,
                "STYLE = COLOR [on COLOR] [bold] [reverse] [underline] [dim]. Colours are 0..255, default "
                "(the terminal's own), black, red, green, yellow, blue, magenta, cyan, white, or one of "
                "these with bright- before it. Here: what 256 colours on an unknown background give. "
                "Without colours only the attributes count. A word, letter or sign stands beside every "
                "colour.");
        fputs("[theme]\n", out);
        for (unsigned s = 0; s < HB_STYLES; s++) {
                struct hb_look l = hb_theme_default((enum hb_style)s, HB_COLORS_256, HB_BACKGROUND_AUTO);

                fprintf(out, "#%s = %s\n", hb_style_name((enum hb_style)s), hb_look_text(&l, text));
        }
}

void hb_config_reference(FILE *out) {
        comment(out,
                "Settings of harbinger console, every one of them. What is commented out shows the default. "
                "It reads $XDG_CONFIG_HOME/harbinger/console.ini (~/.config where that is not set), or "
                "what --config names, when it starts, and never writes it. Comments stand on lines of "
                "their own.");
        console(out);
        keys(out);
        theme(out);
}
