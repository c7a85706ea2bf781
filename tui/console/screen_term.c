/* screen_term: is the terminal one that a screen can be drawn on? Asked of terminfo before newterm, which
 * keeps memory when the answer is no. In a file of its own: term.h gives short names to hundreds of macros.
 */
#include "console/screen_priv.h"
#include <errno.h>
#include <ncursesw/term.h>
#include <stdlib.h>
#include <unistd.h>

static const char next[] = "harbinger console --plain works everywhere; or set TERM to what this terminal is "
                           "(xterm-256color, tmux, vt100 ...)";

int hb_screen_term_check(struct hb_err *e) {
        const char *term = getenv("TERM"), *move;
        bool moves;
        int why = 0;

        if (!term || !term[0])
                return hb_err_set(e, -EOPNOTSUPP, "TERM", next, "TERM is not set");
        if (setupterm(term, STDOUT_FILENO, &why) != OK)
                return hb_err_set(e, -EOPNOTSUPP, "TERM", next, "the terminal \"%.60s\" is not known here",
                                  term);
        move = tigetstr("cup");
        moves = move && move != (char *)-1;
        del_curterm(cur_term);
        if (!moves)
                return hb_err_set(e, -EOPNOTSUPP, "TERM", next,
                                  "the terminal \"%.60s\" cannot move its cursor", term);
        return 0;
}
