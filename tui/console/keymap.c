/* keymap: from keys to actions, and the key list that `?` shows, from the same rows.
 *
 * Invariant: a key means one action. The defaults keep to what hands know: h j k l, g G, /, u and ctrl-f from
 * vi and less, [ ] and . from players, F1 and F10 from everywhere; the views are digits, and F2 to F8 are the
 * same digits. What changes something outside has no F-key but the move, whose prompt asks for a name.
 * Cost: a look-up is a walk over a hundred pairs; memory only in new. One thread. */
#include "console/keymap.h"
#include "base/fault.h"
#include "base/suggest.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_KEYS        8u /* an action */
#define LIST_SIZE        96u
#define KEY_SIZE         32u
#define KEY_CTRL(letter) ((letter) - 'a' + 1)

static const struct {
        enum hb_action action;
        const char *keys;
} defaults[] = {
        {HB_DO_UP, "k up"},
        {HB_DO_DOWN, "j down"},
        {HB_DO_LEFT, "h left"},
        {HB_DO_RIGHT, "l right"},
        {HB_DO_PAGE_UP, "ctrl-b pgup"},
        {HB_DO_PAGE_DOWN, "ctrl-f pgdn"},
        {HB_DO_FIRST, "g home"},
        {HB_DO_LAST, "G end"},
        {HB_DO_OPEN, "enter"},
        {HB_DO_BACK, "esc backspace"},
        {HB_DO_VIEW_OVERVIEW, "1 o"},
        {HB_DO_VIEW_GUEST, "2 f2"},
        {HB_DO_VIEW_PLACEMENT, "3 f3"},
        {HB_DO_VIEW_POLICIES, "4 f4"},
        {HB_DO_VIEW_MIGRATION, "5 f5"},
        {HB_DO_VIEW_TRACES, "6 f6"},
        {HB_DO_VIEW_NETWORK, "7 f7"},
        {HB_DO_VIEW_EVENTS, "8 f8"},
        {HB_DO_VIEW_HELP, "? 9 f1"},
        {HB_DO_FILTER, "/"},
        {HB_DO_SORT, "s"},
        {HB_DO_SORT_BACK, "S"},
        {HB_DO_REVERSE, "i"},
        {HB_DO_FREEZE, "z"},
        {HB_DO_FOLLOW, "f"},
        {HB_DO_UNDO, "u"},
        {HB_DO_ZOOM_IN, "+ ="},
        {HB_DO_ZOOM_OUT, "-"},
        {HB_DO_PLANE, "v"},
        {HB_DO_GLYPHS, "c"},
        {HB_DO_NEXT_HOST, "n tab"},
        {HB_DO_PLACE, "p"},
        {HB_DO_UNPLACE, "x"},
        {HB_DO_ESTIMATE, "e"},
        {HB_DO_MIGRATE, "m f9"},
        {HB_DO_ABORT, "a"},
        {HB_DO_LOAD, "L"},
        {HB_DO_PROMOTE, "P"},
        {HB_DO_ROLLBACK, "b"},
        {HB_DO_DROP, "D"},
        {HB_DO_TUNE, "t"},
        {HB_DO_DIFF, "d"},
        {HB_DO_HISTORY, "H"},
        {HB_DO_EXPLAIN, "w"},
        {HB_DO_RECORD, "r"},
        {HB_DO_STOP, "E"},
        {HB_DO_REPLAY, "R"},
        {HB_DO_PAUSE, "space"},
        {HB_DO_STEP, "."},
        {HB_DO_SEEK, "T"},
        {HB_DO_FASTER, "]"},
        {HB_DO_SLOWER, "["},
        {HB_DO_SAVE, ">"},
        {HB_DO_SAVE_JSON, "J"},
        {HB_DO_SAVE_CSV, "C"},
        {HB_DO_REDRAW, "ctrl-l"},
        {HB_DO_SUSPEND, "ctrl-z"},
        {HB_DO_QUIT, "q f10"},
};

struct row {
        int keys[MOST_KEYS];
        unsigned n;
        bool set; /* by hb_keymap_set: nobody takes its keys away */
        char list[LIST_SIZE];
};

struct hb_keymap {
        struct row rows[HB_DO_COUNT];
        struct hb_key_help help[HB_DO_COUNT];
        unsigned nhelp;
};

/* ---- the list for people ---- */
static void list_keys(struct row *r) {
        char name[16];
        size_t at = 0;

        r->list[0] = '\0';
        for (unsigned i = 0; i < r->n; i++) {
                hb_key_name(r->keys[i], name);
                if (r->keys[i] >= HB_KEY_F1 && r->keys[i] <= HB_KEY_F12)
                        name[0] = 'F'; /* as it is printed on the key */
                at += (size_t)snprintf(r->list + at, LIST_SIZE - at, "%s%s", i ? ", " : "", name);
        }
}

static void list_rows(hb_keymap *k) {
        k->nhelp = 0;
        for (unsigned a = HB_DO_NONE + 1; a < HB_DO_COUNT; a++) {
                list_keys(&k->rows[a]);
                if (k->rows[a].n)
                        k->help[k->nhelp++] =
                                (struct hb_key_help){.action = (enum hb_action)a, .keys = k->rows[a].list};
        }
}

/* ---- names ---- */
static const char *action_name(void *arg, unsigned i) {
        return i + 1 < HB_DO_COUNT ? hb_action_name((enum hb_action)(i + 1)) : NULL;
}

static const char *key_name(void *arg, unsigned i) {
        static const char *const names[] = {"space", "tab",  "enter", "esc",    "backspace", "up",
                                            "down",  "left", "right", "pgup",   "pgdn",      "home",
                                            "end",   "ins",  "del",   "ctrl-l", "f1"};

        return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static int no_action(const char *name, struct hb_err *e) {
        const char *near = hb_suggest(name, action_name, NULL);
        char next[128];

        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return hb_err_set(e, -EINVAL, name, near ? next : "`?` in the console lists the actions",
                          "there is no action \"%.60s\"", name);
}

static int no_key(const char *action, const char *name, struct hb_err *e) {
        const char *near = hb_suggest(name, key_name, NULL);
        char next[128];

        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return hb_err_set(e, -EINVAL, action,
                          near ? next : "a key is one character, or space, tab, enter, up, f1, ctrl-l ...",
                          "there is no key \"%.30s\"", name);
}

/* Some keys never arrive, or mean the same wherever one is. */
static int bindable(const char *action, const char *name, int key, struct hb_err *e) {
        if (key == KEY_CTRL('c'))
                return hb_err_set(e, -EINVAL, action, "take another key", "ctrl-c always ends the console");
        if (key == HB_KEY_RESIZE || key == HB_KEY_MOUSE)
                return no_key(action, name, e);
        return 0;
}

/* "m f9" into at most MOST_KEYS keys, each once. */
static int read_keys(const char *action, const char *keys, struct row *ret, struct hb_err *e) {
        static const char blanks[] = " \t";
        char name[KEY_SIZE];
        size_t len;
        int key, r;

        for (keys += strspn(keys, blanks); *keys; keys += strspn(keys, blanks)) {
                unsigned i = 0;

                len = strcspn(keys, blanks);
                snprintf(name, sizeof(name), "%.*s", (int)(len < KEY_SIZE ? len : KEY_SIZE - 1), keys);
                keys += len;
                if (len >= KEY_SIZE || hb_key_from_name(name, &key) < 0)
                        return no_key(action, name, e);
                r = bindable(action, name, key, e);
                if (r < 0)
                        return r;
                while (i < ret->n && ret->keys[i] != key)
                        i++;
                if (i < ret->n)
                        continue;
                if (i == MOST_KEYS)
                        return hb_err_set(e, -EINVAL, action, NULL, "more than %u keys for one action",
                                          MOST_KEYS);
                ret->keys[ret->n++] = key;
        }
        return 0;
}

/* ---- the map ---- */
int hb_keymap_new(hb_keymap **ret) {
        hb_keymap *k = hb_fault("keymap.new") ? NULL : calloc(1, sizeof(*k));
        int r = k ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++)
                r = read_keys(hb_action_name(defaults[i].action), defaults[i].keys,
                              &k->rows[defaults[i].action], NULL);
        if (r < 0) {
                hb_keymap_free(k);
                return r;
        }
        list_rows(k);
        *ret = k;
        return 0;
}

hb_keymap *hb_keymap_free(hb_keymap *k) {
        free(k);
        return NULL;
}

enum hb_action hb_keymap_get(const hb_keymap *k, int key) {
        for (unsigned a = HB_DO_NONE + 1; a < HB_DO_COUNT; a++)
                for (unsigned i = 0; i < k->rows[a].n; i++)
                        if (k->rows[a].keys[i] == key)
                                return (enum hb_action)a;
        return HB_DO_NONE;
}

static void take_away(struct row *r, int key) {
        unsigned left = 0;

        for (unsigned i = 0; i < r->n; i++)
                if (r->keys[i] != key)
                        r->keys[left++] = r->keys[i];
        r->n = left;
}

int hb_keymap_set(hb_keymap *k, const char *action, const char *keys, struct hb_err *e) {
        enum hb_action a = hb_action_from_name(action), other;
        struct row wanted = {.set = true};
        char name[16];
        int r;

        if (a == HB_DO_NONE)
                return no_action(action, e);
        r = read_keys(action, keys, &wanted, e);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < wanted.n; i++) {
                other = hb_keymap_get(k, wanted.keys[i]);
                if (other != a && k->rows[other].set)
                        return hb_err_set(e, -EEXIST, action, "take another key for one of the two",
                                          "\"%s\" already means %s", hb_key_name(wanted.keys[i], name),
                                          hb_action_name(other));
        }
        for (unsigned i = 0; i < wanted.n; i++)
                take_away(&k->rows[hb_keymap_get(k, wanted.keys[i])], wanted.keys[i]);
        k->rows[a] = wanted;
        list_rows(k);
        return 0;
}

unsigned hb_keymap_help(const hb_keymap *k, const struct hb_key_help **ret) {
        *ret = k->help;
        return k->nhelp;
}

const char *hb_keymap_keys(const hb_keymap *k, enum hb_action a) {
        return (unsigned)a < HB_DO_COUNT ? k->rows[a].list : "";
}
