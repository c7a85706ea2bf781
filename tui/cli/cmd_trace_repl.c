/* cmd_trace_repl: a replay stopped at an epoch, asked about. Line by line from standard input, so that a
 * script can ask as well as a person; answers go to standard output, what was wrong with a line to standard
 * error, and the next line is read. With --json every answer is one object on a line.
 *
 * One row a command in `verbs`, from which help, suggestions and dispatch are made. */
#include "cli/cmd_trace_repl.h"
#include "base/suggest.h"
#include "cli/cmd_trace.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct hb_repl_verb verbs[] = {
        {"step", "[N]", "replay N more epochs (default 1)", 1, hb_repl_step},
        {"until", "E", "replay up to epoch E", 1, hb_repl_until},
        {"point", "", "where the replay is: the last epoch's figures", 0, hb_repl_point},
        {"page", "GFN", "all that is known of a page, and why it was fetched or not", 1, hb_repl_page},
        {"top", "[N] [BY]", "the N pages (20) with the most of BY (predicted)", 2, hb_repl_top},
        {"columns", "A-B", "what policies are shown of these pages", 1, hb_repl_columns},
        {"decisions", "[N]", "the newest N fetches (20)", 1, hb_repl_decisions},
        {"stats", "", "the engine's counters", 0, hb_repl_stats},
        {"quality", "", "how good the predictor was so far", 0, hb_repl_quality},
        {"help", "", "this list", 0, NULL},
        {"quit", "", "end", 0, NULL},
};
#define NVERBS (sizeof(verbs) / sizeof(verbs[0]))

static const char *verb_name(void *arg, unsigned i) {
        return i < NVERBS ? verbs[i].name : NULL;
}

static void say_help(struct hb_repl *l) {
        for (size_t i = 0; i < NVERBS; i++)
                fprintf(l->c->io->out, "  %-10s%-10s%s\n", verbs[i].name, verbs[i].words, verbs[i].help);
        fputs("  BY: predicted, writes, score, read_heat, write_heat, fetches, recent\n", l->c->io->out);
}

/* ---- one line ---- */
static int unknown(const char *word, struct hb_err *e) {
        const char *near = hb_suggest(word, verb_name, NULL);
        char next[100];

        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return hb_err_set(e, -EINVAL, word, near ? next : "help lists the commands", "unknown command");
}

static const struct hb_repl_verb *find(const char *word) {
        for (size_t i = 0; i < NVERBS; i++)
                if (strcmp(verbs[i].name, word) == 0)
                        return &verbs[i];
        return NULL;
}

static unsigned split(char *line, char *words[HB_REPL_WORDS + 1]) {
        unsigned n = 0;
        char *save = NULL;

        for (char *w = strtok_r(line, " \t\r\n", &save); w && n <= HB_REPL_WORDS;
             w = strtok_r(NULL, " \t\r\n", &save))
                words[n++] = w;
        return n;
}

/* -EINVAL: the line was wrong; any other error ends the session. */
static int obey(struct hb_repl *l, char *line, struct hb_err *e) {
        char *words[HB_REPL_WORDS + 1];
        unsigned n = split(line, words);
        const struct hb_repl_verb *v;

        if (n == 0 || words[0][0] == '#')
                return 0;
        v = find(words[0]);
        if (!v)
                return unknown(words[0], e);
        if (n - 1 > v->most)
                return hb_err_set(e, -EINVAL, words[v->most + 1], "help lists the commands",
                                  "a word too many");
        l->words = words + 1;
        l->nwords = n - 1;
        if (v->run)
                return v->run(l, e);
        l->quit = strcmp(v->name, "quit") == 0;
        if (!l->quit)
                say_help(l);
        return 0;
}

static void say_wrong(struct hb_repl *l, const struct hb_err *e) {
        FILE *err = l->c->io->err;

        hb_cli_put(err, e->what);
        if (e->which[0]) {
                fputs(" (", err);
                hb_cli_put(err, e->which);
                fputc(')', err);
        }
        if (e->next[0]) {
                fputs(": ", err);
                hb_cli_put(err, e->next);
        }
        fputc('\n', err);
        fflush(err);
}

static void prompt(const struct hb_repl *l, bool interactive) {
        fflush(l->c->io->out);
        if (!interactive || l->quit)
                return;
        fprintf(l->c->io->err, "epoch %u> ", l->point.epoch);
        fflush(l->c->io->err);
}

static int read_lines(struct hb_repl *l, FILE *in, struct hb_err *e) {
        bool interactive = isatty(fileno(in)) && l->c->io->err_tty;
        char *line = NULL;
        size_t cap = 0;
        int r = 0;

        for (prompt(l, interactive); !l->quit && getline(&line, &cap, in) >= 0; prompt(l, interactive)) {
                struct hb_err wrong = {0};

                r = obey(l, line, &wrong);
                if (r == -EINVAL) {
                        say_wrong(l, &wrong);
                        r = 0;
                }
                if (r < 0) {
                        *e = wrong;
                        break;
                }
                if (ferror(l->c->io->out))
                        break; /* hb_cli_run tells of it */
        }
        if (interactive && !l->quit)
                fputc('\n', l->c->io->err);
        free(line);
        return r;
}

int hb_cli_repl(struct hb_cli *c, hb_replay *r, struct hb_err *e) {
        struct hb_repl l = {.c = c, .r = r};
        int rc = hb_replay_lens_new(r, &l.lens, e);

        if (rc < 0)
                return rc;
        hb_replay_point(r, &l.point);
        l.began = l.point.epoch;
        rc = read_lines(&l, stdin, e);
        hb_replay_lens_free(l.lens);
        return rc;
}
