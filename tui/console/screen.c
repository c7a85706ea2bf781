/* screen: a surface on the terminal through ncurses, which sends only what changed.
 *
 * newterm and not initscr, which ends the process when it does not know the terminal. The characters are
 * those of the surface; where the locale's idea of a character's width is another than the surface's, ncurses
 * would lose its place in the line, so '?' is shown there. LC_CTYPE is the environment's while a screen is
 * open: ncurses takes from it how characters become bytes. Cost: one pass over the cells a picture. One
 * thread. */
#include "base/fault.h"
#include "console/screen_priv.h"
#include "draw/text.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ESC_MS 50 /* a lone Esc is one after so long */

/* ---- locale ---- */
static bool says_utf8(const char *name) {
        return name && (strcasestr(name, "utf-8") || strcasestr(name, "utf8"));
}

/* What the environment asks for and this host does not have (a usual thing over ssh) is still UTF-8. */
static void take_locale(hb_screen *s) {
        const char *names[] = {getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")};
        unsigned i = 0;

        s->locale = strdup(setlocale(LC_CTYPE, NULL));
        while (i < 2 && !(names[i] && names[i][0]))
                i++;
        if (!setlocale(LC_CTYPE, "") && says_utf8(names[i]))
                setlocale(LC_CTYPE, "C.UTF-8");
        s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static enum hb_glyphs glyphs(const hb_screen *s) {
        static const char *const few[] = {"linux", "vt", "ansi", "cons", "sun"}; /* fonts of 256 or 512 */
        const char *term = getenv("TERM");

        if (!s->utf8)
                return HB_GLYPHS_ASCII;
        if (s->config && s->config->glyphs >= 0)
                return (enum hb_glyphs)s->config->glyphs;
        for (size_t i = 0; term && i < sizeof(few) / sizeof(few[0]); i++)
                if (strncmp(term, few[i], strlen(few[i])) == 0)
                        return HB_GLYPHS_ASCII;
        return HB_GLYPHS_BLOCK;
}

/* ---- open and close ---- */
static int open_terminal(hb_screen *s, struct hb_err *e) {
        int r = hb_screen_term_check(e);

        if (r < 0)
                return r;
        s->terminal = hb_fault("screen.terminal") ? NULL : newterm(NULL, stdout, stdin);
        return s->terminal ? 0 : hb_err_set(e, -EIO, "terminal", NULL, "ncurses cannot use this terminal");
}

/* Ctrl-z, ctrl-s, ctrl-v and ctrl-o come as keys; ctrl-c and ctrl-\ stay signals. */
static void set_modes(hb_screen *s) {
        struct termios t;

        cbreak();
        noecho();
        if (tcgetattr(STDIN_FILENO, &t) == 0) {
                t.c_cc[VSUSP] = t.c_cc[VLNEXT] = t.c_cc[VDISCARD] = _POSIX_VDISABLE;
                t.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
                tcsetattr(STDIN_FILENO, TCSANOW, &t);
                def_prog_mode();
        }
        set_escdelay(ESC_MS);
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        meta(stdscr, TRUE);
        if (s->config && s->config->mouse) {
                mouseinterval(0);
                mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
        }
}

static int watch(hb_screen *s, int signals, struct hb_err *e) {
        struct epoll_event keys = {.events = EPOLLIN, .data.fd = STDIN_FILENO},
                           wake = {.events = EPOLLIN, .data.fd = signals};

        s->wait_fd = epoll_create1(EPOLL_CLOEXEC);
        if (s->wait_fd < 0 || epoll_ctl(s->wait_fd, EPOLL_CTL_ADD, STDIN_FILENO, &keys) < 0 ||
            epoll_ctl(s->wait_fd, EPOLL_CTL_ADD, signals, &wake) < 0)
                return hb_err_set(e, -errno, "terminal", NULL, "cannot wait for keys: %s", strerror(errno));
        return 0;
}

static int start(hb_screen *s, bool no_color, struct hb_err *e) {
        int signals = hb_screen_guard(e), r;

        if (signals < 0)
                return signals;
        r = watch(s, signals, e);
        if (r == 0)
                r = open_terminal(s, e);
        if (r < 0)
                return r;
        hb_screen_guard_resize();
        hb_screen_guard_text(s->config && s->config->mouse);
        set_modes(s);
        hb_screen_colors_init(s, no_color);
        s->glyphs = glyphs(s);
        return 0;
}

int hb_screen_new(const struct hb_screen_options *o, hb_screen **ret, struct hb_err *e) {
        hb_screen *s;
        int r;

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return hb_err_set(e, -ENOTTY, isatty(STDIN_FILENO) ? "standard output" : "standard input",
                                  "--plain and --json need no terminal", "this is no terminal");
        s = calloc(1, sizeof(*s));
        if (!s)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the screen");
        *s = (hb_screen){.config = o->config, .wait_fd = -1};
        take_locale(s);
        r = start(s, o->no_color, e);
        if (r < 0) {
                if (r != -EBUSY)
                        hb_screen_unguard();
                hb_screen_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

hb_screen *hb_screen_free(hb_screen *s) {
        if (!s)
                return NULL;
        if (s->terminal) {
                endwin();
                delscreen(s->terminal);
                hb_screen_unguard();
        }
        if (s->wait_fd >= 0)
                close(s->wait_fd);
        if (s->locale)
                setlocale(LC_CTYPE, s->locale);
        free(s->locale);
        free(s);
        return NULL;
}

void hb_screen_size(const hb_screen *s, unsigned *ret_width, unsigned *ret_height) {
        *ret_width = COLS > 0 ? (unsigned)COLS : 0;
        *ret_height = LINES > 0 ? (unsigned)LINES : 0;
}

bool hb_screen_utf8(const hb_screen *s) {
        return s->utf8;
}

bool hb_screen_colors(const hb_screen *s) {
        return s->colors;
}

enum hb_glyphs hb_screen_glyphs(const hb_screen *s) {
        return s->glyphs;
}

int hb_screen_fd(const hb_screen *s) {
        return s->wait_fd;
}

/* ---- showing ---- */
/* Blocks and braille: reversed, a full one looks empty. */
static bool pictorial(uint32_t ch) {
        return (ch >= 0x2580 && ch <= 0x259f) || (ch >= 0x2800 && ch <= 0x28ff);
}

/* A bar keeps its colours inside a selected row; the chosen cell of a map has no chosen neighbour. */
static bool reversed(const hb_surface *what, unsigned x, unsigned y, const struct hb_cell *c, short pair) {
        const struct hb_cell *before = x ? hb_surface_at(what, x - 1, y) : NULL,
                             *after = hb_surface_at(what, x + 1, y);

        if (!c->chosen || !pair || !pictorial(c->ch))
                return c->chosen;
        return !(before && before->chosen) && !(after && after->chosen);
}

static void put(const hb_screen *s, unsigned x, unsigned y, const struct hb_screen_look *look, bool reverse,
                uint32_t ch) {
        wchar_t text[2] = {(wchar_t)ch, L'\0'};
        cchar_t cell;

        if (setcchar(&cell, text, look->attributes | (reverse ? A_REVERSE : 0), look->pair, NULL) == OK)
                mvadd_wch((int)y, (int)x, &cell); /* fails in the last corner, after writing it */
}

/* One character; returns its columns. */
static unsigned show_cell(const hb_screen *s, unsigned x, unsigned y, unsigned width,
                          const hb_surface *what) {
        static const struct hb_cell blank = {.ch = ' ', .style = HB_STYLE_NORMAL};
        const struct hb_cell *c = hb_surface_at(what, x, y);
        const struct hb_screen_look *look;
        unsigned columns;
        uint32_t ch;

        if (!c)
                c = &blank;
        look = &s->looks[c->style < HB_STYLES ? c->style : HB_STYLE_NORMAL];
        ch = c->ch && (c->ch < 0x80 || s->utf8) ? c->ch : c->ch ? '?' : ' ';
        columns = hb_char_width(ch);
        if (x + columns > width || wcwidth((wchar_t)ch) != (int)columns)
                ch = x + columns > width ? ' ' : '?', columns = 1;
        put(s, x, y, look, reversed(what, x, y, c, look->pair), ch);
        return columns;
}

void hb_screen_show(hb_screen *s, const hb_surface *what, int cursor_x, int cursor_y) {
        unsigned width, height;
        bool inside;

        hb_screen_size(s, &width, &height);
        if (s->hung_up || !width || !height)
                return;
        for (unsigned y = 0; y < height; y++)
                for (unsigned x = 0; x < width;)
                        x += show_cell(s, x, y, width, what);
        inside = cursor_x >= 0 && cursor_y >= 0 && (unsigned)cursor_x < width && (unsigned)cursor_y < height;
        curs_set(inside);
        if (inside)
                move(cursor_y, cursor_x);
        refresh();
}

void hb_screen_redraw(hb_screen *s) {
        clearok(curscr, TRUE);
}
