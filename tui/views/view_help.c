/* view_help: keys, then words, in one table, so that one filter finds both. The keys are those of the keymap
 * as it is, not as it was shipped; nothing here names a key. Pure. */
#include "views/view.h"
#include "views/view_help_words.h"
#include <stdio.h>
#include <string.h>

#define ROOMY   16  /* lines */
#define ID_SIZE 160 /* of hb_view_memory's row */

static const struct hb_doc_column columns[] = {
        {.key = "keys", .title = "keys", .min = 6},
        {.key = "name", .title = "name"},
        {.key = "meaning", .title = "meaning", .rank = 1, .min = 30, .grow = true},
        {.key = "group", .title = "group", .rank = 2},
};

static void cell(hb_doc_table *t, enum hb_style style, const char *text) {
        hb_doc_cell(t, style, json_string(text), "%s", text);
}

static const char *key_id(const struct hb_key_help *k, char buf[ID_SIZE]) {
        snprintf(buf, ID_SIZE, "key/%s", hb_action_name(k->action));
        return buf;
}

static const char *word_id(const struct hb_help_word *w, char buf[ID_SIZE]) {
        snprintf(buf, ID_SIZE, "word/%s/%s/%s", w->group, w->word, w->sign);
        return buf;
}

static void key_row(hb_doc_table *t, const struct hb_key_help *k) {
        char id[ID_SIZE];

        hb_doc_row(t, key_id(k, id));
        cell(t, HB_STYLE_KEY, k->keys);
        cell(t, HB_STYLE_STRONG, hb_action_name(k->action));
        cell(t, HB_STYLE_NORMAL, hb_action_help(k->action));
        cell(t, HB_STYLE_DIM, hb_action_group_title(hb_action_group(k->action)));
}

static void word_row(hb_doc_table *t, const struct hb_help_word *w) {
        char id[ID_SIZE];

        hb_doc_row(t, word_id(w, id));
        cell(t, HB_STYLE_NOTE, w->sign);
        cell(t, HB_STYLE_STRONG, w->word);
        cell(t, HB_STYLE_NORMAL, w->meaning);
        cell(t, HB_STYLE_DIM, w->group);
}

static const char *keys_of(const struct hb_view_ctx *c, enum hb_action a) {
        for (unsigned i = 0; i < c->nkeys; i++)
                if (c->keys[i].action == a)
                        return c->keys[i].keys;
        return hb_action_name(a); /* it has none: its name in [keys] */
}

/* The selected row in full: its cell may be cut. */
static void selected(const struct hb_view_ctx *c, hb_doc *d) {
        const char *row = c->memory->place.row;
        char id[ID_SIZE];

        for (unsigned i = 0; i < c->nkeys; i++)
                if (strcmp(key_id(&c->keys[i], id), row) == 0)
                        hb_doc_note(d, NULL, HB_STYLE_NOTE, 'i', "%s (%s: %s)",
                                    hb_action_help(c->keys[i].action), hb_action_name(c->keys[i].action),
                                    c->keys[i].keys);
        for (unsigned i = 0; i < hb_help_words_count; i++)
                if (strcmp(word_id(&hb_help_words[i], id), row) == 0)
                        hb_doc_note(d, NULL, HB_STYLE_NOTE, 'i', "%s (%s): %s", hb_help_words[i].word,
                                    hb_help_words[i].group, hb_help_words[i].meaning);
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        bool small = c->height && c->height < ROOMY; /* the table is what one came for */
        hb_doc_table *t;

        hb_doc_subject(d, "%u keys, %u words", c->nkeys, hb_help_words_count);
        if (!small)
                hb_doc_note(d, NULL, HB_STYLE_NOTE, 'i',
                            "%s and a word finds keys and words; %s on a view shows it; %s goes back.",
                            keys_of(c, HB_DO_FILTER), keys_of(c, HB_DO_OPEN), keys_of(c, HB_DO_BACK));
        if (!c->control && !small)
                hb_doc_note(d, NULL, HB_STYLE_NOTE, 'i',
                            "Nothing can be changed from here: that takes harbinger console --control.");
        t = hb_doc_table_new(d, "help", NULL, columns, sizeof(columns) / sizeof(columns[0]), true,
                             "no key and no word like that");
        for (unsigned i = 0; i < c->nkeys; i++)
                key_row(t, &c->keys[i]);
        for (unsigned i = 0; i < hb_help_words_count; i++)
                word_row(t, &hb_help_words[i]);
        selected(c, d);
        if (small)
                return 0;
        hb_doc_note(d, "read_on", HB_STYLE_DIM, 'i',
                    "Read on: docs/OPERATING.md (a walk through the screens), man harbinger, "
                    "harbinger help COMMAND. Other keys and colours: console.ini.");
        return 0;
}

/* A row of a view leads there; of the others there is no more to say than it says. */
static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        enum hb_action chosen;

        if (a != HB_DO_OPEN || strncmp(row, "key/", 4) != 0)
                return 0;
        chosen = hb_action_from_name(row + 4);
        if (chosen >= HB_DO_VIEW_OVERVIEW && chosen < HB_DO_VIEW_HELP)
                return hb_order_go(ret, (enum hb_view_id)(chosen - HB_DO_VIEW_OVERVIEW), NULL);
        return hb_order_say(ret, "%s: %s", keys_of(c, chosen), hb_action_help(chosen));
}

_Static_assert(HB_DO_VIEW_HELP - HB_DO_VIEW_OVERVIEW == (int)HB_VIEW_HELP, "actions are in the views' order");

const struct hb_view hb_view_help = {
        .name = "help",
        .title = "help",
        .key = HB_DO_VIEW_HELP,
        .build = build,
        .act = act,
        .hints = {HB_DO_FILTER, HB_DO_OPEN, HB_DO_BACK, HB_DO_QUIT},
};
