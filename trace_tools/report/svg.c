/* svg: a scanner for the XML that drawing programs write, not for all of XML: an element, attributes in
 * quotes, text. What it does not know it leaves out with all that is inside. Every element it opened it
 * closes. */
#include "report/svg.h"
#include "report/html.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 32
#define N(a)    (sizeof(a) / sizeof((a)[0]))

struct scan {
        const char *p, *end;
        struct hb_buf *out;
        unsigned depth;            /* elements open in the input */
        unsigned hidden;           /* of them, from this depth on nothing is kept; 0: all is */
        char kept[DEEPEST + 1];    /* by depth: 'g' a group, 't' text, 's' a shape, 0 nothing was written */
        size_t began[DEEPEST + 1]; /* where in the output a group began */
        bool filled[DEEPEST + 1];  /* something stands in it */
        bool seen;                 /* the drawing itself */
};

static bool named(const char *name, size_t n, const char *const *list, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (strlen(list[i]) == n && strncmp(list[i], name, n) == 0)
                        return true;
        return false;
}

static char kind_of(const char *name, size_t n) {
        static const char *const shapes[] = {"path", "polygon", "polyline", "rect", "circle", "line"};

        if (n == 1 && name[0] == 'g')
                return 'g';
        if (n == 4 && strncmp(name, "text", 4) == 0)
                return 't';
        if (n == 3 && strncmp(name, "svg", 3) == 0)
                return 'r';
        return named(name, n, shapes, N(shapes)) ? 's' : 0;
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == ':' || c == '.';
}

static bool harmless(const char *v, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!is_space(v[i]) && !strchr("+-.,()%", v[i]) &&
                    !((v[i] >= 'a' && v[i] <= 'z') || (v[i] >= 'A' && v[i] <= 'Z') ||
                      (v[i] >= '0' && v[i] <= '9')))
                        return false;
        return memchr(v, '\0', n) == NULL;
}

/* ---- attributes ---- */
static void put_plain(struct hb_buf *out, const char *name, size_t nn, const char *v, size_t n) {
        bool blank = true; /* runs of blanks are one */

        hb_buf_u8(out, ' ');
        hb_buf_raw(out, name, nn);
        hb_html_put(out, "=\"");
        for (size_t i = 0; i < n; i++) {
                if (!is_space(v[i]))
                        hb_buf_u8(out, (uint8_t)v[i]);
                else if (!blank && i + 1 < n && !is_space(v[i + 1]))
                        hb_buf_u8(out, ' ');
                blank = is_space(v[i]);
        }
        hb_buf_u8(out, '"');
}

/* fill and stroke. `class_of` collects at most one class. */
static void put_paint(struct hb_buf *out, const char *name, size_t nn, const char *v, size_t n,
                      char class_of[8]) {
        char text[32];
        int series, g, b;

        snprintf(text, sizeof(text), "%.*s", (int)(n < 31 ? n : 31), v);
        if (strcmp(text, "none") == 0)
                put_plain(out, name, nn, "none", 4);
        else if (strcmp(text, "gray") == 0)
                strcpy(class_of, "grid");
        else if (sscanf(text, "rgb( %d, %d, %d)", &series, &g, &b) == 3 && series > 0 && series < 64 &&
                 g == 0 && b == 0)
                snprintf(class_of, 8, "%c%d", name[0], series);
        else
                put_plain(out, name, nn, "currentColor", 12);
}

static void put_attribute(struct scan *s, const char *name, size_t nn, const char *v, size_t n,
                          char class_of[8]) {
        static const char *const keep[] = {"transform",
                                           "d",
                                           "points",
                                           "x",
                                           "y",
                                           "width",
                                           "height",
                                           "cx",
                                           "cy",
                                           "r",
                                           "x1",
                                           "y1",
                                           "x2",
                                           "y2",
                                           "stroke-width",
                                           "stroke-dasharray",
                                           "fill-opacity",
                                           "text-anchor",
                                           "font-size",
                                           "stroke-linecap",
                                           "stroke-linejoin"};

        if (!harmless(v, n))
                return;
        if ((nn == 4 && strncmp(name, "fill", 4) == 0) || (nn == 6 && strncmp(name, "stroke", 6) == 0))
                put_paint(s->out, name, nn, v, n, class_of);
        else if (named(name, nn, keep, N(keep)))
                put_plain(s->out, name, nn, v, n);
}

static void skip_space(struct scan *s) {
        while (s->p < s->end && is_space(*s->p))
                s->p++;
}

/* Name, equals, value; true when there was one. *bad: there was something else. */
static bool next_attribute(struct scan *s, const char **name, size_t *nn, const char **v, size_t *n,
                           bool *bad) {
        const char *close;

        skip_space(s);
        if (s->p >= s->end || *s->p == '>' || *s->p == '/' || *s->p == '?')
                return false;
        *name = s->p;
        while (s->p < s->end && is_name(*s->p))
                s->p++;
        *nn = (size_t)(s->p - *name);
        skip_space(s);
        *bad = *nn == 0 || s->p >= s->end || *s->p++ != '=';
        skip_space(s);
        *bad = *bad || s->p >= s->end || (*s->p != '"' && *s->p != '\'');
        if (*bad)
                return false;
        close = memchr(s->p + 1, *s->p, (size_t)(s->end - s->p - 1));
        *bad = !close;
        if (*bad)
                return false;
        *v = s->p + 1;
        *n = (size_t)(close - *v);
        s->p = close + 1;
        return true;
}

/* ---- elements ---- */
static int open_element(struct scan *s, const char *name, size_t nn) {
        char kind = s->hidden ? 0 : kind_of(name, nn), class_of[8] = "";
        const char *attribute, *v;
        size_t an, n;
        bool bad = false;

        if (++s->depth > DEEPEST)
                return -EBADMSG;
        if (s->depth == 1 && kind != 'r')
                return -EBADMSG;
        kind = kind == 'r' ? (s->depth == 1 ? 'r' : 0) : kind;
        if (kind == 0 && !s->hidden)
                s->hidden = s->depth;
        s->seen = s->seen || kind == 'r';
        s->kept[s->depth] = kind == 'r' ? 0 : kind;
        s->began[s->depth] = s->out->len;
        s->filled[s->depth] = false;
        if (s->kept[s->depth]) {
                hb_buf_u8(s->out, '<');
                hb_buf_raw(s->out, name, nn);
        }
        while (next_attribute(s, &attribute, &an, &v, &n, &bad))
                if (s->kept[s->depth])
                        put_attribute(s, attribute, an, v, n, class_of);
        if (s->kept[s->depth] && class_of[0])
                hb_html_f(s->out, " class=\"%s\"", class_of);
        return bad ? -EBADMSG : 0;
}

static void close_element(struct scan *s, bool empty) {
        static const char *const names[] = {['g'] = "</g>\n", ['t'] = "</text>"};
        char kind = s->kept[s->depth];
        bool visible = kind == 's' || ((kind == 't' || kind == 'g') && s->filled[s->depth]);

        if (s->hidden == s->depth)
                s->hidden = 0;
        if (kind == 's')
                hb_html_put(s->out, empty ? "/>" : "");
        else if (kind && !visible)
                s->out->len = s->began[s->depth]; /* an empty group says nothing */
        else if (kind)
                hb_html_put(s->out, names[(unsigned char)kind]);
        s->depth--;
        if (visible)
                s->filled[s->depth] = true;
}

static int element(struct scan *s) {
        const char *name = ++s->p;
        bool closing = s->p < s->end && *s->p == '/', empty;
        int r;

        if (closing)
                name = ++s->p;
        while (s->p < s->end && is_name(*s->p))
                s->p++;
        if (s->p == name)
                return -EBADMSG;
        if (closing) {
                skip_space(s);
                if (s->p >= s->end || *s->p++ != '>' || s->depth == 0)
                        return -EBADMSG;
                close_element(s, false);
                return 0;
        }
        r = open_element(s, name, (size_t)(s->p - name));
        if (r < 0)
                return r;
        empty = s->p < s->end && *s->p == '/';
        s->p += empty;
        if (s->p >= s->end || *s->p++ != '>')
                return -EBADMSG;
        if (empty || s->kept[s->depth] == 's') { /* a shape has no inside; its end tag, if any, is not ours */
                if (!empty)
                        return -EBADMSG;
                close_element(s, true);
        } else if (s->kept[s->depth]) {
                hb_buf_u8(s->out, '>');
        }
        return 0;
}

/* Words and numbers of axes; anything else in them is not from us. */
static void text(struct scan *s, const char *from, size_t n) {
        bool wanted = s->depth > 0 && !s->hidden && s->kept[s->depth] == 't';

        for (size_t i = 0; wanted && i < n; i++) {
                char c = from[i];
                bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                            (c && strchr(" .,:()%+-", c));

                hb_buf_u8(s->out, (uint8_t)(fine ? c : '?'));
                s->filled[s->depth] = true;
        }
}

static int skip_to(struct scan *s, const char *mark) {
        const char *at = memmem(s->p, (size_t)(s->end - s->p), mark, strlen(mark));

        if (!at)
                return -EBADMSG;
        s->p = at + strlen(mark);
        return 0;
}

int hb_svg_clean(const char *svg, size_t size, struct hb_buf *out) {
        struct scan s = {.p = svg, .end = svg + size, .out = out};
        size_t before = out->len;
        int r = size > HB_SVG_MOST ? -EBADMSG : 0;

        while (r == 0 && s.p < s.end) {
                const char *next = memchr(s.p, '<', (size_t)(s.end - s.p));

                text(&s, s.p, (size_t)((next ? next : s.end) - s.p));
                s.p = next ? next : s.end;
                if (!next)
                        break;
                if (s.end - s.p > 1 && (s.p[1] == '?' || s.p[1] == '!'))
                        r = skip_to(&s, s.end - s.p > 3 && strncmp(s.p, "<!--", 4) == 0 ? "-->" : ">");
                else
                        r = element(&s);
                if (s.seen && s.depth == 0)
                        break; /* the drawing is over */
        }
        if (r == 0 && (s.depth || !s.seen))
                r = -EBADMSG;
        if (r == 0 && out->failed)
                r = -ENOMEM;
        if (r < 0)
                out->len = before;
        return r;
}
