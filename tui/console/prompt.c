/* prompt: a line editor without a screen. A confirmation never takes anything but the exact words: Enter on a
 * half-typed name is a no, so that a habit of the fingers moves no guest. */
#include "console/prompt.h"
#include "console/keymap.h"
#include <stdio.h>
#include <string.h>

#define CTRL(c) ((c)&31)

void hb_prompt_open(struct hb_prompt *p, enum hb_prompt_kind kind, const char *question,
                    const char *initial) {
        memset(p, 0, sizeof(*p));
        p->kind = kind;
        snprintf(p->question, sizeof(p->question), "%s", question);
        snprintf(p->text, sizeof(p->text), "%s", initial ? initial : "");
        p->typed = strlen(p->text);
}

void hb_prompt_choice(struct hb_prompt *p, const char *choice) {
        if (p->nchoices == HB_PROMPT_CHOICES)
                return;
        snprintf(p->choices[p->nchoices], sizeof(p->choices[0]), "%s", choice);
        p->nchoices++;
        p->choice = p->nchoices;
}

void hb_prompt_close(struct hb_prompt *p) {
        memset(p, 0, sizeof(*p));
}

/* One character as UTF-8; 0: it is none that can be typed. */
static size_t encode(int key, char buf[4]) {
        unsigned c = (unsigned)key;

        if (key < 32 || key == HB_KEY_BACKSPACE || key >= HB_KEY_FIRST || (c >= 0xd800 && c < 0xe000) ||
            (c >= 0x80 && c < 0xa0))
                return 0;
        if (c < 0x80) {
                buf[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                buf[0] = (char)(0xc0 | (c >> 6));
                buf[1] = (char)(0x80 | (c & 63));
                return 2;
        }
        if (c < 0x10000) {
                buf[0] = (char)(0xe0 | (c >> 12));
                buf[1] = (char)(0x80 | ((c >> 6) & 63));
                buf[2] = (char)(0x80 | (c & 63));
                return 3;
        }
        buf[0] = (char)(0xf0 | (c >> 18));
        buf[1] = (char)(0x80 | ((c >> 12) & 63));
        buf[2] = (char)(0x80 | ((c >> 6) & 63));
        buf[3] = (char)(0x80 | (c & 63));
        return 4;
}

static void type(struct hb_prompt *p, int key) {
        char c[4];
        size_t n = encode(key, c), have = strlen(p->text);

        if (n == 0 || have + n >= sizeof(p->text))
                return;
        memcpy(p->text + have, c, n);
        p->text[have + n] = '\0';
        p->typed = have + n;
        p->choice = p->nchoices;
}

static void rub_out(struct hb_prompt *p, bool word) {
        size_t n = strlen(p->text);

        while (word && n > 0 && p->text[n - 1] == ' ')
                n--;
        do {
                while (n > 0 && ((unsigned char)p->text[n - 1] & 0xc0) == 0x80)
                        n--;
                n -= n > 0;
        } while (word && n > 0 && p->text[n - 1] != ' ');
        p->text[n] = '\0';
        p->typed = n;
        p->choice = p->nchoices;
}

/* ---- choices ---- */
static bool fits(const struct hb_prompt *p, unsigned i) {
        return strncmp(p->choices[i], p->text, p->typed) == 0;
}

static void next_choice(struct hb_prompt *p, int step) {
        unsigned n = p->nchoices, at = p->choice;

        if (n == 0)
                return;
        if (at == n && p->typed == strlen(p->text) && p->typed > 0) { /* stands on one? then the others too */
                for (unsigned i = 0; i < n; i++)
                        if (strcmp(p->choices[i], p->text) == 0) {
                                at = i;
                                p->typed = 0;
                        }
        }
        for (unsigned tried = 0; tried < n; tried++) {
                at = at == n ? (step > 0 ? 0 : n - 1) : (at + n + (unsigned)step) % n;
                if (!fits(p, at))
                        continue;
                p->choice = at;
                snprintf(p->text, sizeof(p->text), "%s", p->choices[at]);
                return;
        }
}

static bool settle_choice(struct hb_prompt *p) {
        unsigned found = p->nchoices, count = 0;

        for (unsigned i = 0; i < p->nchoices; i++) {
                if (strcmp(p->choices[i], p->text) == 0)
                        return true;
                if (p->text[0] && strncmp(p->choices[i], p->text, strlen(p->text)) == 0) {
                        found = i;
                        count++;
                }
        }
        if (count == 1)
                snprintf(p->text, sizeof(p->text), "%s", p->choices[found]);
        return count == 1;
}

static enum hb_prompt_end enter(struct hb_prompt *p) {
        if (p->kind == HB_PROMPT_CONFIRM) {
                bool yes = strcmp(p->text, p->wanted) == 0 ||
                           (strcmp(p->wanted, "y") == 0 && strcmp(p->text, "Y") == 0);

                return yes ? HB_PROMPT_TAKEN : HB_PROMPT_CANCELLED;
        }
        if (p->nchoices > 0 && !settle_choice(p))
                return HB_PROMPT_GOES_ON;
        return HB_PROMPT_TAKEN;
}

enum hb_prompt_end hb_prompt_key(struct hb_prompt *p, int key) {
        switch (key) {
        case HB_KEY_ENTER:
        case '\r':
                return enter(p);
        case HB_KEY_ESC:
        case CTRL('g'):
        case CTRL('c'):
                return HB_PROMPT_CANCELLED;
        case HB_KEY_BACKSPACE:
        case CTRL('h'):
        case HB_KEY_DEL:
                rub_out(p, false);
                break;
        case CTRL('w'):
                rub_out(p, true);
                break;
        case CTRL('u'):
                p->text[0] = '\0';
                p->typed = 0;
                p->choice = p->nchoices;
                break;
        case HB_KEY_TAB:
        case HB_KEY_DOWN:
                next_choice(p, 1);
                break;
        case HB_KEY_UP:
                next_choice(p, -1);
                break;
        default:
                type(p, key);
        }
        return HB_PROMPT_GOES_ON;
}
