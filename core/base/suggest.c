/* suggest: optimal string alignment distance over three rows. Words longer than LONGEST are never near
 * anything: they are not typing errors, and the rows stay on the stack. */
#include "base/suggest.h"
#include <string.h>

#define LONGEST 63u

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

static unsigned distance(const char *a, size_t na, const char *b, size_t nb) {
        unsigned rows[3][LONGEST + 1];
        unsigned *older = rows[0], *old = rows[1], *now = rows[2];

        for (size_t j = 0; j <= nb; j++)
                old[j] = (unsigned)j;
        for (size_t i = 1; i <= na; i++) {
                unsigned *next = older;

                now[0] = (unsigned)i;
                for (size_t j = 1; j <= nb; j++) {
                        now[j] = least(old[j - 1] + (a[i - 1] != b[j - 1]), least(old[j], now[j - 1]) + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = least(now[j], older[j - 2] + 1);
                }
                older = old;
                old = now;
                now = next;
        }
        return old[nb];
}

const char *hb_suggest(const char *word, const char *(*name)(void *arg, unsigned i), void *arg) {
        size_t n = strnlen(word, LONGEST + 1);
        unsigned best = (unsigned)(n < 3 ? 1 : n / 3) + 1;
        const char *found = NULL, *known;

        if (n == 0 || n > LONGEST)
                return NULL;
        for (unsigned i = 0; (known = name(arg, i)); i++) {
                size_t len = strnlen(known, LONGEST + 1);
                unsigned d = len > LONGEST ? best : distance(word, n, known, len);

                if (d < best) {
                        best = d;
                        found = known;
                }
        }
        return found;
}
