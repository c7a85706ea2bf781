/* settings_reference: prints the rows of settings_table for people: as a file to begin with, and as a manual
 * page. */
#include "daemon/settings.h"
#include "daemon/settings_table.h"
#include <string.h>

#define WIDTH 100

/* Words of text in lines of at most WIDTH columns, each after `prefix`. */
static void wrap(FILE *out, const char *prefix, const char *text) {
        size_t column = 0;

        while (*text) {
                size_t n = strcspn(text, " ");

                if (column && column + 1 + n > WIDTH) {
                        fputc('\n', out);
                        column = 0;
                }
                column += (size_t)fprintf(out, "%s%.*s", column ? " " : prefix, (int)n, text);
                text += n + (text[n] == ' ');
        }
        fputc('\n', out);
}

static bool is_number(enum hb_setting_type t) {
        return t == HB_SET_INT || t == HB_SET_REAL || t == HB_SET_BYTES || t == HB_SET_GRACE ||
               t == HB_SET_COUNT || t == HB_SET_ZSTD || t == HB_SET_BOOL || t == HB_SET_CHOICE;
}

static void print_row(FILE *out, const struct hb_setting_section *section, const struct hb_setting *row) {
        const char *value = row->otherwise && row->otherwise[0] ? row->otherwise : row->example;
        /* Left out means the default; so only what must be there, and a sample host, are not commented out.
         */
        bool live = !section->optional_example && (!row->otherwise || section->example);
        char range[160], text[200];

        wrap(out, "# ", row->help);
        if (is_number(row->type)) {
                snprintf(text, sizeof(text), "(%s)", hb_setting_range(row, range, sizeof(range)));
                wrap(out, "# ", text);
        }
        fprintf(out, "%s%s =%s%s\n\n", live ? "" : "#", row->key, value && value[0] ? " " : "",
                value ? value : "");
}

void hb_settings_print_reference(FILE *out) {
        fputs("# harbingerd's settings, every one of them. What is commented out shows the default (or an "
              "example, where there is\n"
              "# none). Comments stand on lines of their own. harbingerd --check tells whether a file is "
              "right; SIGHUP or\n"
              "# `harbinger reload` reads it again.\n",
              out);
        for (size_t i = 0; i < hb_setting_section_count; i++) {
                const struct hb_setting_section *s = &hb_setting_sections[i];
                int stem = (int)strcspn(s->name, ".");

                fputc('\n', out);
                wrap(out, "# ", s->help);
                fprintf(out, "%s[%.*s%s%s]\n", s->optional_example ? "#" : "", stem, s->name,
                        s->example ? "." : "", s->example ? s->example : "");
                for (size_t r = 0; r < hb_setting_count; r++)
                        if (strcmp(hb_setting_rows[r].section, s->name) == 0)
                                print_row(out, s, &hb_setting_rows[r]);
        }
}

static void roff(FILE *out, const char *text) {
        if (*text == '.' || *text == '\'')
                fputs("\\&", out);
        for (; *text; text++) {
                if (*text == '\\')
                        fputs("\\e", out);
                else if (*text == '-')
                        fputs("\\-", out);
                else
                        fputc(*text, out);
        }
}

static void man_row(FILE *out, const struct hb_setting *row) {
        char range[160];

        fprintf(out, ".TP\n.B ");
        roff(out, row->key);
        fputs("\n", out);
        roff(out, row->help);
        fputs("\n", out);
        roff(out, hb_setting_range(row, range, sizeof(range)));
        if (!row->otherwise)
                fputs("; required.\n", out);
        else if (row->otherwise[0]) {
                fputs("; default ", out);
                roff(out, row->otherwise);
                fputs(".\n", out);
        } else {
                fputs("; empty by default.\n", out);
        }
        if (row->fixed)
                fputs("A change needs a restart.\n", out);
}

void hb_settings_print_man(FILE *out) {
        fputs(".TH HARBINGERD.INI 5 \"\" \"harbinger " HB_VERSION
              "\"\n.SH NAME\nharbingerd.ini \\- settings of harbingerd\n"
              ".SH SYNOPSIS\n.B /etc/harbinger/harbingerd.ini\n.SH DESCRIPTION\n"
              "Sections in brackets, one KEY = VALUE a line, comments on lines of their own after # or ;.\n"
              "Anything unknown, given twice or out of its range is an error that names file and line;\n"
              ".B harbingerd \\-\\-check\nlooks without starting.\n",
              out);
        for (size_t i = 0; i < hb_setting_section_count; i++) {
                const struct hb_setting_section *s = &hb_setting_sections[i];
                int stem = (int)strcspn(s->name, ".");

                fprintf(out, ".SH [%.*s%s]\n", stem, s->name, s->example ? ".NAME" : "");
                roff(out, s->help);
                fputc('\n', out);
                for (size_t r = 0; r < hb_setting_count; r++)
                        if (strcmp(hb_setting_rows[r].section, s->name) == 0)
                                man_row(out, &hb_setting_rows[r]);
        }
        fputs(".SH SEE ALSO\n.BR harbinger (1)\n", out);
}
