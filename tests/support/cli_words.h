/* cli_words: command lines as they stand in documents and examples. */
#pragma once
#include <string.h>

/* The next word, in double quotes with its blanks, as a shell reads it; NULL: none. */
static inline char *cli_next_word(char **at) {
        char *w = *at + strspn(*at, " "), *end;

        if (!*w)
                return NULL;
        end = *w == '"' ? strchr(++w, '"') : w + strcspn(w, " ");
        if (!end)
                end = w + strlen(w);
        *at = end + (*end != 0);
        *end = 0;
        return w;
}
