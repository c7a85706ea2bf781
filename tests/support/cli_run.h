/* cli_run: one command line inside the test's process, its two streams caught. */
#pragma once
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

struct cli_run {
        struct hb_cli_io io; /* set before; streams are made by run_line */
        char *out, *err;
        size_t out_len, err_len;
        int exit;
};

static void cli_forget(struct cli_run *r) {
        free(r->out);
        free(r->err);
        r->out = r->err = NULL;
}

/* Splits `line` at blanks and runs it; "''" is an empty word. */
static int run_line(struct cli_run *r, const char *line) {
        char *copy = strdup(line), *words[64], *save = NULL;
        int n = 0;

        cli_forget(r);
        for (char *w = strtok_r(copy, " ", &save); w && n < 63; w = strtok_r(NULL, " ", &save))
                words[n++] = strcmp(w, "''") == 0 ? (char *)"" : w;
        words[n] = NULL;
        r->io.out = open_memstream(&r->out, &r->out_len);
        r->io.err = open_memstream(&r->err, &r->err_len);
        r->exit = hb_cli_run(&r->io, n, words);
        fclose(r->io.out);
        fclose(r->io.err);
        free(copy);
        return r->exit;
}
