/* err: fills and prints struct hb_err.
 *
 * Invariant: an error is always one printable line. Its parts may come from a peer or a guest, so control
 * bytes are replaced before they can reach a terminal or a log, and a text that was cut ends on a whole UTF-8
 * character. The arguments may point into *e itself (wrapping an error in a wider one): all is rendered
 * before any is written. Pure but for *e; any thread. */
#include "base/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HIGHEST_ERRNO 133

static void drop_cut_character(char *s, size_t len) {
        size_t lead = len;
        size_t need;

        while (lead > 0 && ((unsigned char)s[lead - 1] & 0xC0) == 0x80)
                lead--;
        if (lead == 0 || (unsigned char)s[lead - 1] < 0xC0)
                return;
        need = (unsigned char)s[lead - 1] >= 0xF0 ? 4 : (unsigned char)s[lead - 1] >= 0xE0 ? 3 : 2;
        if (len - (lead - 1) < need)
                s[lead - 1] = '\0';
}

static void make_printable(char *s) {
        for (; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7F)
                        *s = *s == '\n' || *s == '\t' ? ' ' : '?';
}

static void copy_text(char *out, size_t size, const char *s) {
        size_t len = s ? strnlen(s, size) : 0;

        if (len == size) {
                len = size - 1;
                memcpy(out, s, len);
                out[len] = '\0';
                drop_cut_character(out, len);
        } else {
                memcpy(out, s ? s : "", len);
                out[len] = '\0';
        }
        make_printable(out);
}

int hb_err_set(struct hb_err *e, int code, const char *which, const char *next, const char *fmt, ...) {
        struct hb_err made = {.code = code};
        char text[sizeof(made.what) + 1];
        va_list ap;

        if (!e)
                return code;
        va_start(ap, fmt);
        if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
                text[0] = '\0';
        va_end(ap);
        copy_text(made.what, sizeof(made.what), text);
        copy_text(made.which, sizeof(made.which), which);
        copy_text(made.next, sizeof(made.next), next);
        *e = made;
        return code;
}

const char *hb_err_line(const struct hb_err *e, char *buf, unsigned size) {
        const char *what = e->what[0] ? e->what : hb_errno_name(e->code);

        if (!size)
                return "";
        snprintf(buf, size, "%s%s%s%s%s%s", what, e->which[0] ? " (" : "", e->which, e->which[0] ? ")" : "",
                 e->next[0] ? ": " : "", e->next);
        return buf;
}

const char *hb_errno_name(int code) {
        const char *name;

        if (code == 0)
                return "OK";
        if (code == -EOPNOTSUPP) /* libc prefers its alias ENOTSUP; our documents use this one */
                return "EOPNOTSUPP";
        name = code < 0 && code >= -HIGHEST_ERRNO ? strerrorname_np(-code) : NULL;
        return name ? name : "EUNKNOWN";
}

int hb_errno_from_name(const char *name) {
        static const struct {
                const char *name;
                int code;
        } aliases[] = {{"ENOTSUP", -ENOTSUP}, {"EWOULDBLOCK", -EWOULDBLOCK}, {"EDEADLOCK", -EDEADLOCK}};

        if (!name || name[0] != 'E')
                return 0;
        for (int code = -1; code >= -HIGHEST_ERRNO; code--)
                if (strcmp(hb_errno_name(code), name) == 0 && strcmp(name, "EUNKNOWN") != 0)
                        return code;
        for (unsigned i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
                if (strcmp(aliases[i].name, name) == 0)
                        return aliases[i].code;
        return 0;
}
