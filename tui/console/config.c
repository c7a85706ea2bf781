/* config: reads the operator's console.ini by libinih over the rows of config_values, the actions and the
 * styles.
 *
 * Invariant: the first thing wrong, in the order of lines, is what is reported, as PATH:LINE; nothing is
 * returned unless all is right; the file is opened for reading and by nothing else. libinih cuts long names
 * of sections without a word, so the reader it pulls lines from watches the section headers itself, as the
 * one of the daemon's settings does. Cost: linear, at most 64 KiB. Start only, one thread (libinih's options
 * are process-wide). */
#include "console/config.h"
#include "base/fault.h"
#include "base/suggest.h"
#include "console/config_theme.h"
#include "console/config_values.h"
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST   (64u << 10)
#define MAX_LINE  2048
#define MOST_ROWS 16u

enum section { CONSOLE, KEYS, THEME, SECTIONS };
static const char *const section_names[] = {"console", "keys", "theme", NULL};

struct load {
        const char *path, *text, *end;
        struct hb_config *c;
        struct hb_err *e;
        int failed; /* the code once something is wrong, and its line */
        unsigned line, failed_line;
        enum section section;                                                 /* SECTIONS: none yet */
        unsigned set_at[MOST_ROWS], key_at[HB_DO_COUNT], theme_at[HB_STYLES]; /* lines */
};

static int fail_at(struct load *l, unsigned line, int code, const char *next, const char *what) {
        char which[192];

        snprintf(which, sizeof(which), "%.180s:%u", l->path, line);
        l->failed_line = line;
        l->failed = hb_err_set(l->e, code, which, next, "%s", what);
        return l->failed;
}

static int fail(struct load *l, const char *next, const char *what) {
        return fail_at(l, l->line, -EINVAL, next, what);
}

/* What others found wrong with this line. */
static int fail_as(struct load *l, const struct hb_err *bad) {
        return fail_at(l, l->line, bad->code, bad->next[0] ? bad->next : NULL, bad->what);
}

/* ---- suggestions ---- */
static const char *section_name(void *arg, unsigned i) {
        return section_names[i];
}

static const char *row_name(void *arg, unsigned i) {
        return i < hb_config_rows_count ? hb_config_rows[i].key : NULL;
}

static const char *style_name(void *arg, unsigned i) {
        return i < HB_STYLES ? hb_style_name((enum hb_style)i) : NULL;
}

static int unknown(struct load *l, const char *kind, const char *name,
                   const char *(*known)(void *arg, unsigned i), const char *otherwise) {
        const char *near = hb_suggest(name, known, NULL);
        char what[160], next[128];

        snprintf(what, sizeof(what), "there is no %s \"%.60s\"", kind, name);
        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return fail(l, near ? next : otherwise, what);
}

static bool twice(struct load *l, unsigned *line, const char *name) {
        char what[160];

        if (*line) {
                snprintf(what, sizeof(what), "\"%.60s\" is set twice, first in line %u", name, *line);
                fail(l, "leave one out", what);
                return true;
        }
        *line = l->line;
        return false;
}

/* ---- one setting of each section ---- */
static void set_row(struct load *l, const char *key, const char *value) {
        struct hb_err bad = {0};

        for (unsigned i = 0; i < hb_config_rows_count && i < MOST_ROWS; i++) {
                if (strcmp(hb_config_rows[i].key, key) != 0)
                        continue;
                if (!twice(l, &l->set_at[i], key) && hb_config_set(l->c, &hb_config_rows[i], value, &bad) < 0)
                        fail_as(l, &bad);
                return;
        }
        unknown(l, "setting", key, row_name, "keys stand in [keys], colours in [theme]");
}

static void set_keys(struct load *l, const char *action, const char *keys) {
        struct hb_err bad = {0};
        enum hb_action a = hb_action_from_name(action);

        if (a != HB_DO_NONE && twice(l, &l->key_at[a], action))
                return;
        if (hb_keymap_set(l->c->keys, action, keys, &bad) < 0)
                fail_as(l, &bad);
}

static void set_look(struct load *l, const char *name, const char *value) {
        struct hb_err bad = {0};
        enum hb_style s;

        if (hb_style_from_name(name, &s) < 0) {
                unknown(l, "style", name, style_name, "the shipped console.ini lists the styles");
                return;
        }
        if (twice(l, &l->theme_at[s], name))
                return;
        if (hb_look_parse(value, &l->c->theme[s], &bad) < 0)
                fail_as(l, &bad);
        l->c->themed[s] = true;
}

static int on_setting(void *arg, const char *section, const char *key, const char *value) {
        struct load *l = arg;

        if (l->failed)
                return 1;
        switch (l->section) {
        case CONSOLE:
                set_row(l, key, value);
                break;
        case KEYS:
                set_keys(l, key, value);
                break;
        case THEME:
                set_look(l, key, value);
                break;
        default:
                fail(l, "put [console] above it", "a setting before the first section");
        }
        return 1;
}

/* ---- lines ---- */
/* Recognises "[name]" as libinih does, but for its limit of 49 bytes. */
static int watch_section(struct load *l, const char *line) {
        static const char blanks[] = " \t\r\n";
        const char *open = line + strspn(line, blanks), *close;
        char name[64];
        size_t n;

        if (*open != '[')
                return 0;
        close = strchr(open, ']');
        n = close ? (size_t)(close - open - 1) : 0;
        if (!close || close[1 + strspn(close + 1, blanks)] || n == 0 || n >= sizeof(name))
                return fail(
                        l, "a section is [console], [keys] or [theme]; comments stand on a line of their own",
                        "this is not a section");
        memcpy(name, open + 1, n);
        name[n] = '\0';
        for (unsigned i = 0; i < SECTIONS; i++)
                if (strcmp(section_names[i], name) == 0) {
                        l->section = (enum section)i;
                        return 0;
                }
        return unknown(l, "section", name, section_name, "the sections are console, keys, theme");
}

static bool bad_byte(const char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (((unsigned char)p[i] < 0x20 && !memchr("\t\r\n", p[i], 3)) || p[i] == 0x7f)
                        return true;
        return false;
}

/* libinih's fgets. NULL ends the file, also after the first failure. */
static char *next_line(char *out, int size, void *arg) {
        struct load *l = arg;
        const char *nl;
        size_t n;

        if (l->failed || l->text == l->end)
                return NULL;
        nl = memchr(l->text, '\n', (size_t)(l->end - l->text));
        n = (size_t)((nl ? nl + 1 : l->end) - l->text);
        l->line++;
        if (n + 1 > (size_t)size)
                fail(l, NULL, "the line is longer than 2000 bytes");
        else if (bad_byte(l->text, n))
                fail(l, "is this a settings file?", "the line holds a control character");
        if (l->failed)
                return NULL;
        memcpy(out, l->text, n);
        out[n] = '\0';
        l->text += n;
        return watch_section(l, out) < 0 ? NULL : out;
}

static void run_parser(struct load *l) {
        int bad_line;

        ini_max_line = MAX_LINE;
        ini_use_stack = true;
        ini_allow_multiline = false;
        ini_allow_inline_comments = false; /* ';' may be a key */
        ini_stop_on_first_error = true;
        bad_line = ini_parse_stream(next_line, l, on_setting, l);
        if (bad_line > 0 && (!l->failed || (unsigned)bad_line < l->failed_line))
                fail_at(l, (unsigned)bad_line, -EINVAL, "a line is NAME = VALUE, [SECTION], or starts with #",
                        "this line is not understood");
        else if (bad_line < 0 && !l->failed)
                fail_at(l, l->line, -ENOMEM, NULL, "no memory to read the settings");
}

/* ---- the whole ---- */
static int new_config(struct hb_config **ret) {
        struct hb_config *c = hb_fault("config.new") ? NULL : calloc(1, sizeof(*c));
        int r = c ? hb_keymap_new(&c->keys) : -ENOMEM;

        for (unsigned i = 0; r == 0 && i < hb_config_rows_count; i++)
                r = hb_config_set(c, &hb_config_rows[i], hb_config_rows[i].otherwise, NULL);
        if (r < 0) {
                hb_config_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct hb_config *hb_config_free(struct hb_config *c) {
        if (c) {
                for (unsigned i = 0; i < HB_CONFIG_SOCKETS; i++)
                        free(c->sockets[i]);
                hb_keymap_free(c->keys);
        }
        free(c);
        return NULL;
}

int hb_config_parse(const char *text, size_t size, const char *path, struct hb_config **ret,
                    struct hb_err *e) {
        static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin a file with it */
        struct hb_err unused = {0};
        struct load l = {
                .path = path, .text = text, .end = text + size, .e = e ? e : &unused, .section = SECTIONS};
        int r = new_config(&l.c);

        if (r < 0)
                return hb_err_set(e, r, path, NULL, "no memory for the settings");
        if (size >= 3 && memcmp(text, mark, 3) == 0)
                l.text += 3;
        run_parser(&l);
        if (l.failed) {
                hb_config_free(l.c);
                return l.failed;
        }
        *ret = l.c;
        return 0;
}

/* The default place; false: the environment names none. */
static bool default_path(char *buf, size_t size) {
        const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        int n = -1;

        if (base && base[0] == '/') /* a relative one is to be ignored, says the XDG specification */
                n = snprintf(buf, size, "%s/harbinger/console.ini", base);
        else if (home && home[0] == '/')
                n = snprintf(buf, size, "%s/.config/harbinger/console.ini", home);
        return n > 0 && (size_t)n < size;
}

static int read_file(const char *path, FILE *in, char *buf, size_t *ret, struct hb_err *e) {
        size_t n = fread(buf, 1, LARGEST + 1, in);

        if (ferror(in) || hb_fault("config.read"))
                return hb_err_set(e, -EIO, path, NULL, "cannot read the settings");
        if (n > LARGEST)
                return hb_err_set(e, -EFBIG, path, "is this a settings file?", "larger than 64 KiB");
        *ret = n;
        return 0;
}

static int load_file(const char *path, FILE *in, struct hb_config **ret, struct hb_err *e) {
        char *buf = malloc(LARGEST + 1);
        size_t n = 0;
        int r = buf ? read_file(path, in, buf, &n, e) : hb_err_set(e, -ENOMEM, path, NULL, "no memory");

        if (r == 0)
                r = hb_config_parse(buf, n, path, ret, e);
        free(buf);
        return r;
}

int hb_config_new(const char *path, struct hb_config **ret, struct hb_err *e) {
        char place[4096];
        FILE *in;
        int r;

        if (!path && !default_path(place, sizeof(place)))
                return hb_config_parse("", 0, "console.ini", ret, e);
        in = fopen(path ? path : place, "re");
        if (!in && !path && (errno == ENOENT || errno == ENOTDIR))
                return hb_config_parse("", 0, place, ret, e);
        if (!in) {
                r = -errno;
                return hb_err_set(e, r, path ? path : place, "--config names another file",
                                  "cannot open the settings: %s", strerror(-r));
        }
        r = load_file(path ? path : place, in, ret, e);
        fclose(in);
        return r;
}
