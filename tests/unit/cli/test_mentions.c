/* Every command that our messages and documents tell people to type exists. Messages: string literals of the
 * sources that begin a mention with "harbinger WORD". Documents: lines of fenced blocks that begin with
 * harbinger, after an optional prompt. */
#include "cli/command.h"
#include "cli/parse.h"
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli_words.h"

static unsigned checked, wrong;

static char *read_whole(const char *path) {
        static char text[1 << 20];
        FILE *f = fopen(path, "r");

        if (!f)
                return NULL;
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        return text;
}

static void complain(const char *path, const char *mention) {
        fprintf(stderr, "%s: harbinger %.*s: no such command\n", path, (int)strcspn(mention, "\n\""),
                mention);
        wrong++;
}

/* Lower-case word at p; its length. */
static size_t word(const char *p, char *out, size_t size) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz");

        snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), p);
        return n;
}

/* "harbinger" as a noun in a sentence. */
static bool is_prose(const char *first) {
        static const char *const words[] = {"",      "to",        "is",   "was", "command", "and", "of",
                                            "talks", "harbinger", "does", "has", "program", "talk"};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcmp(words[i], first) == 0)
                        return true;
        return false;
}

static void check_mention(const char *path, const char *p) {
        char first[40], second[40] = "", *words[] = {first, second};
        size_t n = word(p, first, sizeof(first));
        int used;

        if (is_prose(first))
                return;
        checked++;
        if (p[n] == ' ')
                word(p + n + 1, second, sizeof(second));
        if (hb_cli_find(words, 2, &used))
                return;
        if (hb_cli_is_group(first) && !second[0]) /* "see harbinger cert" */
                return;
        complain(path, p);
}

/* Mentions inside string literals; a literal does not span lines here. */
static void check_source(const char *path) {
        char *text = read_whole(path);

        assert_non_null(text);
        for (char *line = text; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
                bool quoted = false;

                for (char *p = line; *p && *p != '\n'; p++) {
                        if (*p == '\\' && quoted && p[1] && p[1] != '\n')
                                p++;
                        else if (*p == '"')
                                quoted = !quoted;
                        else if (quoted && strncmp(p, "harbinger ", 10) == 0)
                                check_mention(path, p + 10);
                }
        }
}

static void walk(const char *dir, const char *ending, void (*check)(const char *path)) {
        DIR *d = opendir(dir);
        struct dirent *entry;
        char path[1024];

        while (d && (entry = readdir(d))) {
                size_t n = strlen(entry->d_name), m = strlen(ending);

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
                if (entry->d_type == DT_DIR)
                        walk(path, ending, check);
                else if (n > m && strcmp(entry->d_name + n - m, ending) == 0)
                        check(path);
        }
        if (d)
                closedir(d);
}

static void messages_name_commands_that_exist(void **state) {
        checked = wrong = 0;
        walk(HB_SOURCE_DIR "/core", ".c", check_source);
        walk(HB_SOURCE_DIR "/transport", ".c", check_source);
        walk(HB_SOURCE_DIR "/tui", ".c", check_source);
        assert_true(checked > 40);
        assert_int_equal(wrong, 0);
}

/* The whole line must be one that the command takes. */
static void check_line(const char *path, const char *line) {
        static const struct hb_cli_io io = {.interrupt_fd = -1};
        char copy[600], *words[40] = {(char *)"harbinger"}, *at = copy;
        struct hb_cli c = {.io = &io};
        struct hb_err e = {0};
        int n = 1;

        snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n|>;&#("), line);
        for (char *w = cli_next_word(&at); w && n < 39; w = cli_next_word(&at))
                words[n++] = w;
        words[n] = NULL;
        checked++;
        if (hb_cli_parse(&c, n, words, &e) < 0) {
                fprintf(stderr, "%s: harbinger %.*s\n  %s (%s)\n", path, (int)strcspn(line, "\n"), line,
                        e.what, e.which);
                wrong++;
        }
        free(c.words);
}

static void check_document(const char *path) {
        char *text = read_whole(path);
        bool fenced = false;

        for (char *line = text; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
                char *p = line + strspn(line, " ");

                if (strncmp(p, "```", 3) == 0)
                        fenced = !fenced;
                p += strspn(p, "ab"); /* "a# ": typed on host a */
                p += strspn(p, "$# ");
                if (fenced && strncmp(p, "harbinger ", 10) == 0)
                        check_line(path, p + 10);
        }
}

static void documents_show_lines_that_work(void **state) {
        checked = wrong = 0;
        walk(HB_SOURCE_DIR "/docs", ".md", check_document);
        check_document(HB_SOURCE_DIR "/README.md");
        assert_true(checked > 10);
        assert_int_equal(wrong, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(messages_name_commands_that_exist),
                cmocka_unit_test(documents_show_lines_that_work),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
