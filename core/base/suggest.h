/* suggest: the known word nearest to a misspelt one, for "did you mean". Pure. */
#pragma once

/* name(arg, i) gives the known words, i = 0, 1, 2 ...; NULL ends them. Returns the nearest whose distance
 * (letters left out, put in, changed or swapped) is at most a third of the word's length, the first of
 * equals; NULL: none is near. */
const char *hb_suggest(const char *word, const char *(*name)(void *arg, unsigned i), void *arg);
