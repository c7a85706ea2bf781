/* view_help_words: what the views' words, signs and letters mean: the glossary of the help view. */
#pragma once

struct hb_help_word {
        const char *sign; /* drawn beside it; "" where there is none */
        const char *word, *meaning, *group;
};
extern const struct hb_help_word hb_help_words[];
extern const unsigned hb_help_words_count;
