/* settings_parse: reads harbingerd's INI file by libinih over the rows of settings_table.
 *
 * Invariant: the first thing wrong, in the order of lines, is what is reported, as PATH:LINE; nothing is
 * returned unless all is right. libinih splits lines, but it cuts long names of sections without a word and
 * does not tell of sections that hold nothing, so the reader it pulls lines from watches the section headers
 * itself. A setting given twice, or a section given twice, is refused: two people edited the file, and only
 * one of them would get what he wrote. Cost: linear. Start and reload only, on the loop's thread (libinih's
 * options are process-wide). */
#include "base/fault.h"
#include "base/suggest.h"
#include "daemon/settings.h"
#include "daemon/settings_table.h"
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 2048
#define MAX_ROWS 64

struct load {
        const char *path, *text, *end;
        struct hb_settings *s;
        struct hb_err *e;
        int failed; /* the code once something is wrong, and its line */
        unsigned line, failed_line;
        const struct hb_setting_section *section; /* NULL before the first header */
        char section_name[2 * HB_NAME_MAX];
        unsigned section_line;
        void *object;              /* the settings, or the host or guest of this section */
        unsigned set_at[MAX_ROWS]; /* line of each row in this section */
        unsigned opened_at[16];    /* line of each plain section */
};

/* line 0: the file as a whole. */
static int fail_at(struct load *l, unsigned line, int code, const char *next, const char *what) {
        char which[192];

        if (line)
                snprintf(which, sizeof(which), "%s:%u", l->path, line);
        else
                snprintf(which, sizeof(which), "%s", l->path);
        l->failed_line = line;
        l->failed = hb_err_set(l->e, code, which, next, "%s", what);
        return l->failed;
}

static int fail(struct load *l, const char *next, const char *what) {
        return fail_at(l, l->line, -EINVAL, next, what);
}

/* ---- suggestions ---- */
static const char *key_name(void *arg, unsigned i) {
        const struct hb_setting_section *section = arg;

        for (size_t r = 0; r < hb_setting_count; r++)
                if (strcmp(hb_setting_rows[r].section, section->name) == 0 && i-- == 0)
                        return hb_setting_rows[r].key;
        return NULL;
}

static const char *section_name(void *arg, unsigned i) {
        return i < hb_setting_section_count ? hb_setting_sections[i].name : NULL;
}

static int unknown_key(struct load *l, const char *key) {
        const char *near = hb_suggest(key, key_name, (void *)l->section);
        char what[256], next[320];

        snprintf(what, sizeof(what), "[%s] has no setting \"%.50s\"", l->section_name, key);
        for (size_t r = 0; !near && r < hb_setting_count; r++)
                if (strcmp(hb_setting_rows[r].key, key) == 0) {
                        snprintf(next, sizeof(next), "it belongs in [%s]", hb_setting_rows[r].section);
                        return fail(l, next, what);
                }
        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return fail(l, near ? next : "harbingerd --reference shows all of them", what);
}

static int unknown_section(struct load *l, const char *name) {
        const char *near = hb_suggest(name, section_name, NULL);
        char what[256], next[320];

        snprintf(what, sizeof(what), "unknown section [%.50s]", name);
        snprintf(next, sizeof(next), "did you mean [%s]?", near ? near : "");
        return fail(l,
                    near ? next
                         : "the sections are host, control, peer, policy, tracking, transport, migration, "
                           "host.NAME, guest.NAME",
                    what);
}

/* ---- one section ---- */
static int set_defaults(const char *section, void *object, struct hb_err *e) {
        for (size_t r = 0; r < hb_setting_count; r++) {
                const struct hb_setting *row = &hb_setting_rows[r];
                int rc = 0;

                if (strcmp(row->section, section) == 0 && row->otherwise)
                        rc = hb_setting_set(row, row->otherwise, object, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* A guest arrives in exactly one way. */
static int check_guest(struct load *l) {
        const struct hb_guest_settings *g = l->object;
        int ways = !!g->incoming_command[0] + !!g->incoming_qmp[0] + !!g->incoming_process[0];

        if (ways == 0)
                return fail_at(l, l->section_line, -EINVAL,
                               "set incoming_command, incoming_qmp or incoming_process",
                               "this section does not say how the guest arrives");
        if (ways > 1)
                return fail_at(l, l->section_line, -EINVAL,
                               "leave all but one out; incoming_command gets its socket's path in $HB_QMP",
                               "more than one of incoming_command, incoming_qmp and incoming_process is set");
        return 0;
}

/* What only a whole section shows: required settings, and settings that do not go together. */
static int end_section(struct load *l) {
        char what[256];

        if (!l->section || l->failed)
                return l->failed;
        for (size_t r = 0; r < hb_setting_count; r++) {
                const struct hb_setting *row = &hb_setting_rows[r];

                if (strcmp(row->section, l->section->name) != 0 || row->otherwise || l->set_at[r])
                        continue;
                snprintf(what, sizeof(what), "[%s] must set \"%s\"", l->section_name, row->key);
                return fail_at(l, l->section_line, -EINVAL, row->help, what);
        }
        return strcmp(l->section->name, "guest.*") == 0 ? check_guest(l) : 0;
}

static void *find(void *list, unsigned n, size_t size, const char *name) {
        for (unsigned i = 0; i < n; i++) /* the name is the first field of both kinds */
                if (strcmp((const char *)list + i * size, name) == 0)
                        return (char *)list + i * size;
        return NULL;
}

/* A new host or guest. The lists are at their full size from the start: pointers into them stay good. */
static int open_named(struct load *l, const char *name) {
        bool host = strcmp(l->section->name, "host.*") == 0;
        size_t size = host ? sizeof(struct hb_host_settings) : sizeof(struct hb_guest_settings);
        unsigned *n = host ? &l->s->nhosts : &l->s->nguests, most = host ? HB_MAX_HOSTS : HB_MAX_GUESTS;
        void *list = host ? (void *)l->s->hosts : (void *)l->s->guests;

        if (!hb_name_ok(name))
                return fail(l, "1 to 63 letters, digits, . _ - after the dot",
                            "the section's name is not a possible name");
        if (find(list, *n, size, name))
                return fail(l, "join the two", "this section is in the file twice");
        if (*n == most)
                return fail(l, NULL, host ? "more than 1024 hosts" : "more than 256 guests");
        l->object = (char *)list + (*n)++ * size;
        memcpy(l->object, name, strlen(name) + 1);
        l->failed = set_defaults(l->section->name, l->object, l->e);
        return l->failed;
}

static int open_plain(struct load *l, size_t index) {
        char next[64];

        snprintf(next, sizeof(next), "join it with the one in line %u", l->opened_at[index]);
        if (l->opened_at[index])
                return fail(l, next, "this section is in the file twice");
        l->opened_at[index] = l->line;
        l->object = l->s;
        return 0;
}

static int open_section(struct load *l, const char *name) {
        const char *dot = strchr(name, '.');

        if (end_section(l) < 0)
                return l->failed;
        memset(l->set_at, 0, sizeof(l->set_at));
        snprintf(l->section_name, sizeof(l->section_name), "%s", name);
        l->section_line = l->line;
        for (size_t i = 0; i < hb_setting_section_count; i++) {
                const char *known = hb_setting_sections[i].name, *known_dot = strchr(known, '.');

                l->section = &hb_setting_sections[i];
                if (strcmp(known, name) == 0 && !known_dot)
                        return open_plain(l, i);
                if (dot && known_dot && dot - name == known_dot - known &&
                    strncmp(name, known, (size_t)(dot - name)) == 0)
                        return open_named(l, dot + 1);
        }
        l->section = NULL;
        return unknown_section(l, name);
}

/* ---- lines ---- */
/* Recognises "[name]" as libinih does, but for its limit of 49 bytes. */
static int watch_section(struct load *l, const char *line) {
        const char *open = line + strspn(line, " \t\r\n"), *close, *rest;
        char name[2 * HB_NAME_MAX];
        size_t n;

        if (*open != '[')
                return 0;
        close = strchr(open, ']');
        rest = close ? close + 1 + strspn(close + 1, " \t\r\n") : "";
        n = close ? (size_t)(close - open - 1) : 0;
        if (!close || *rest || n == 0 || n >= sizeof(name))
                return fail(l, "a section is [host], or [host.NAME]; comments stand on a line of their own",
                            "this is not a section");
        memcpy(name, open + 1, n);
        name[n] = '\0';
        return open_section(l, name);
}

static int bad_byte(struct load *l, const char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (((unsigned char)p[i] < 0x20 && !strchr("\t\r\n", p[i])) || p[i] == 0x7F || p[i] == '\0')
                        return fail(l, "is this a settings file?", "the line holds a control character");
        return 0;
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
        if (n + 1 > (size_t)size) {
                fail(l, NULL, "the line is longer than 2000 bytes");
                return NULL;
        }
        if (bad_byte(l, l->text, n) < 0)
                return NULL;
        memcpy(out, l->text, n);
        out[n] = '\0';
        l->text += n;
        return watch_section(l, out) < 0 ? NULL : out;
}

static int on_setting(void *arg, const char *section, const char *key, const char *value) {
        struct load *l = arg;
        char what[256];

        if (l->failed)
                return 1;
        if (!l->section) {
                fail(l, "put [host] above it", "a setting before the first section");
                return 1;
        }
        for (size_t r = 0; r < hb_setting_count; r++) {
                const struct hb_setting *row = &hb_setting_rows[r];
                struct hb_err bad;

                if (strcmp(row->section, l->section->name) != 0 || strcmp(row->key, key) != 0)
                        continue;
                if (l->set_at[r]) {
                        snprintf(what, sizeof(what), "\"%s\" is set twice, first in line %u", key,
                                 l->set_at[r]);
                        fail(l, "leave one out", what);
                        return 1;
                }
                l->set_at[r] = l->line;
                if (hb_setting_set(row, value, l->object, &bad) < 0)
                        fail(l, row->help, bad.what);
                return 1;
        }
        unknown_key(l, key);
        return 1;
}

static void run_parser(struct load *l) {
        int bad_line;

        ini_max_line = MAX_LINE;
        ini_use_stack = true;
        ini_allow_multiline = false;       /* an indented line is a line */
        ini_allow_inline_comments = false; /* a command may hold ';' */
        ini_stop_on_first_error = true;
        bad_line = ini_parse_stream(next_line, l, on_setting, l);
        if (bad_line > 0 && (!l->failed || (unsigned)bad_line < l->failed_line))
                fail_at(l, (unsigned)bad_line, -EINVAL, "a line is KEY = VALUE, [SECTION], or starts with #",
                        "this line is not understood");
        else if (bad_line < 0 && !l->failed)
                fail_at(l, l->line, -ENOMEM, NULL, "no memory to read the settings");
}

/* ---- the whole ---- */
static int check_sections(struct load *l) {
        char what[256];

        for (size_t r = 0; r < hb_setting_count; r++) {
                const struct hb_setting *row = &hb_setting_rows[r];

                for (size_t i = 0; !row->otherwise && i < hb_setting_section_count; i++)
                        if (strcmp(row->section, hb_setting_sections[i].name) == 0 &&
                            !strchr(row->section, '.') && !l->opened_at[i]) {
                                snprintf(what, sizeof(what), "there is no [%s], which must set \"%s\"",
                                         row->section, row->key);
                                return fail_at(l, 0, -EINVAL, row->help, what);
                        }
        }
        return 0;
}

static int check_whole(struct load *l) {
        static const char socket_name[] = "/control.sock";
        struct hb_settings *s = l->s;
        size_t n = strlen(s->run_dir);

        if (check_sections(l) < 0)
                return l->failed;
        if (find(s->hosts, s->nhosts, sizeof(*s->hosts), s->name))
                return fail_at(l, 0, -EINVAL,
                               "sections [host.NAME] are for the others; was the file copied from that host?",
                               "[host] name is also the name of a [host.NAME] section");
        if (!s->control_socket[0]) {
                if (n + sizeof(socket_name) > 108)
                        return fail_at(l, 0, -EINVAL, "set [control] socket to a shorter path",
                                       "[host] run_dir is too long for a socket in it");
                memcpy(s->control_socket, s->run_dir, n);
                memcpy(s->control_socket + n, socket_name, sizeof(socket_name));
        }
        return 0;
}

static int new_settings(hb_settings **ret) {
        hb_settings *s = hb_fault("settings.new") ? NULL : calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->hosts = calloc(HB_MAX_HOSTS, sizeof(*s->hosts));
        s->guests = calloc(HB_MAX_GUESTS, sizeof(*s->guests));
        if (!s->hosts || !s->guests) {
                hb_settings_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

int hb_settings_parse(const char *text, size_t len, const char *path, hb_settings **ret, struct hb_err *e) {
        static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin a file with it */
        struct hb_err unused = {0};
        struct load l = {.path = path, .text = text, .end = text + len, .e = e ? e : &unused};

        if (new_settings(&l.s) < 0)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory for the settings");
        if (len >= 3 && memcmp(text, mark, 3) == 0)
                l.text += 3;
        for (size_t i = 0; i < hb_setting_section_count && !l.failed; i++)
                if (!strchr(hb_setting_sections[i].name, '.'))
                        l.failed = set_defaults(hb_setting_sections[i].name, l.s, l.e);
        if (!l.failed)
                run_parser(&l);
        if (!l.failed)
                end_section(&l);
        if (!l.failed)
                check_whole(&l);
        if (l.failed) {
                hb_settings_free(l.s);
                return l.failed;
        }
        *ret = l.s;
        return 0;
}
