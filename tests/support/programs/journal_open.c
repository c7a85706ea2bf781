/* journal_open FILE: the hand-overs that a host's journal holds open, one a line: STATE GUEST PEER. Nothing
 * printed: all were ended. */
#include "store/store.h"
#include <stdio.h>

static int show(void *arg, const struct hb_journal_entry *j) {
        printf("%s %s %s\n", j->state, j->guest, j->peer);
        return 0;
}

int main(int argc, char **argv) {
        hb_store *s = NULL;
        struct hb_err e;
        char line[512];

        if (argc != 2)
                return 2;
        if (hb_store_open(argv[1], &s, &e) < 0) {
                fprintf(stderr, "journal_open: %s\n", hb_err_line(&e, line, sizeof line));
                return 1;
        }
        int r = hb_journal_each(s, true, show, NULL);
        hb_store_close(s);
        return r < 0;
}
