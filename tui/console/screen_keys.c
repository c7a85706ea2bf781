/* screen_keys: what ncurses reads, as the keys of keymap.h.
 *
 * Keys that nobody can bind are dropped here, and so are escape sequences that terminfo does not know: read
 * as single keys, "ESC [ I" would be three actions. Cost: one read a key. Never blocks, but for the 50 ms
 * that tell a lone Esc from the beginning of a sequence. */
#include "console/screen_priv.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LONGEST_SEQUENCE 32
#define STARVED          3u

static const struct {
        int curses, key;
} codes[] = {
        {KEY_UP, HB_KEY_UP},       {KEY_DOWN, HB_KEY_DOWN},
        {KEY_LEFT, HB_KEY_LEFT},   {KEY_RIGHT, HB_KEY_RIGHT},
        {KEY_PPAGE, HB_KEY_PGUP},  {KEY_NPAGE, HB_KEY_PGDN},
        {KEY_HOME, HB_KEY_HOME},   {KEY_END, HB_KEY_END},
        {KEY_FIND, HB_KEY_HOME},   {KEY_SELECT, HB_KEY_END},
        {KEY_IC, HB_KEY_INS},      {KEY_DC, HB_KEY_DEL},
        {KEY_ENTER, HB_KEY_ENTER}, {KEY_BACKSPACE, HB_KEY_BACKSPACE},
};

/* 0: a click or turn that means nothing. */
static int mouse(hb_screen *s) {
        MEVENT m;

        if (getmouse(&m) != OK)
                return HB_KEY_NONE;
        if (m.bstate & BUTTON4_PRESSED)
                return HB_KEY_UP;
        if (m.bstate & BUTTON5_PRESSED)
                return HB_KEY_DOWN;
        if (!(m.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)) || m.x < 0 || m.y < 0)
                return HB_KEY_NONE;
        s->mouse_x = (unsigned)m.x;
        s->mouse_y = (unsigned)m.y;
        return HB_KEY_MOUSE;
}

static int from_code(hb_screen *s, wint_t code) {
        if (code == KEY_RESIZE) {
                hb_screen_guard_text(s->config && s->config->mouse); /* holds the last line's number */
                return HB_KEY_RESIZE;
        }
        if (code == KEY_MOUSE)
                return mouse(s);
        if (code >= KEY_F(1) && code <= KEY_F(12))
                return HB_KEY_F1 + (int)(code - KEY_F(1));
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
                if ((wint_t)codes[i].curses == code)
                        return codes[i].key;
        return HB_KEY_NONE;
}

/* After an Esc that ncurses could make nothing of. True: a whole unknown sequence was dropped. */
static bool drop_sequence(void) {
        wint_t ch;

        if (get_wch(&ch) != OK)
                return false;
        if (ch != '[' && ch != 'O') { /* Alt and a key: Esc, then the key */
                unget_wch((wchar_t)ch);
                return false;
        }
        for (int i = 0; i < LONGEST_SEQUENCE && get_wch(&ch) == OK; i++)
                if (ch >= 0x40 && ch <= 0x7e)
                        break;
        return true;
}

static int from_character(wint_t ch) {
        switch (ch) {
        case '\r':
        case '\n':
                return HB_KEY_ENTER;
        case '\b':
        case 0x7f:
                return HB_KEY_BACKSPACE;
        case 0x1b:
                return drop_sequence() ? HB_KEY_NONE : HB_KEY_ESC;
        default:
                return ch >= 0x80 && ch < 0xa0 ? HB_KEY_NONE : (int)ch; /* C1: no key makes these */
        }
}

/* No key came. Is that because nobody is there any more? A hung-up terminal is always readable. */
static void look_for_hangup(hb_screen *s) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        int waiting = 0;

        if (poll(&p, 1, 0) <= 0) {
                s->starved = 0;
                return;
        }
        if (p.revents & (POLLHUP | POLLERR | POLLNVAL) || ioctl(STDIN_FILENO, FIONREAD, &waiting) < 0 ||
            waiting == 0 || ++s->starved >= STARVED)
                s->hung_up = true;
}

int hb_screen_key(hb_screen *s) {
        wint_t ch = 0;
        int r, key = HB_KEY_NONE;

        if (hb_screen_signals(s) || s->again) {
                s->again = false;
                return HB_KEY_RESIZE;
        }
        while (key == HB_KEY_NONE && !s->hung_up) {
                r = get_wch(&ch);
                if (r == ERR) {
                        look_for_hangup(s);
                        return HB_KEY_NONE;
                }
                s->starved = 0;
                key = r == KEY_CODE_YES ? from_code(s, ch) : from_character(ch);
        }
        return key;
}

void hb_screen_mouse(const hb_screen *s, unsigned *ret_x, unsigned *ret_y) {
        *ret_x = s->mouse_x;
        *ret_y = s->mouse_y;
}

bool hb_screen_hung_up(const hb_screen *s) {
        return s->hung_up;
}
