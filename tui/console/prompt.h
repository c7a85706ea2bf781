/* prompt: one line of typing: an answer, a choice among some, a confirmation, a filter. Knows keys, not the
 * screen. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define HB_PROMPT_TEXT    160u
#define HB_PROMPT_CHOICES 64u

enum hb_prompt_kind { HB_PROMPT_NONE, HB_PROMPT_ASK, HB_PROMPT_CONFIRM, HB_PROMPT_FILTER };
enum hb_prompt_end { HB_PROMPT_GOES_ON, HB_PROMPT_TAKEN, HB_PROMPT_CANCELLED };

struct hb_prompt {
        enum hb_prompt_kind kind;
        char question[320];
        char text[HB_PROMPT_TEXT]; /* UTF-8, whole characters */
        char wanted[96];           /* CONFIRM: what must be typed */
        char choices[HB_PROMPT_CHOICES][64];
        unsigned nchoices, choice; /* choice: of those that begin with what was typed; nchoices: none yet */
        size_t typed;              /* bytes of text that were typed, before a choice was taken */
};

void hb_prompt_open(struct hb_prompt *p, enum hb_prompt_kind kind, const char *question, const char *initial);
void hb_prompt_choice(struct hb_prompt *p, const char *choice);
/* A CONFIRM is taken only when exactly what is wanted stands there ("y": y or Y); Enter on anything else
 * cancels it. With choices, Enter takes the one that stands there, or the only one that begins so; anything
 * else stays. */
enum hb_prompt_end hb_prompt_key(struct hb_prompt *p, int key);
void hb_prompt_close(struct hb_prompt *p);
