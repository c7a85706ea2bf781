/* source_scan: finds what a policy's text uses without running it: just enough of Lua's lexical rules to tell
 * code from comments and strings. What the scan misses (an `hb` under another name) the sandbox refuses when
 * it runs: hb.use gives only what was gathered. No state, any thread; O(size). */
#include "base/shape.h"
#include "policy/source_parts.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct hb_policy_scan hb_policy_scan_begin(const char *text, size_t size) {
        return (struct hb_policy_scan){.at = text, .end = text + size, .line = 1};
}

bool hb_policy_part_name_ok(const char *name) {
        const char *slash = strchr(name, '/');
        char folder[64];

        if (!slash || (size_t)(slash - name) >= sizeof folder ||
            strlen(name) >= sizeof((struct hb_policy_part *)0)->name)
                return false;
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        return hb_name_ok(folder) && hb_name_ok(slash + 1);
}

static void step(struct hb_policy_scan *s) {
        if (*s->at++ == '\n')
                s->line++;
}

/* At a '[': how many '=' a long bracket has, -1: it is none. */
static int long_bracket(const struct hb_policy_scan *s) {
        const char *p = s->at + 1;
        int level = 0;

        while (p < s->end && *p == '=')
                level++, p++;
        return p < s->end && *p == '[' ? level : -1;
}

static void skip_long(struct hb_policy_scan *s, int level) {
        s->at += level + 2;
        for (; s->at < s->end; step(s)) {
                const char *p = s->at + 1;
                int n = 0;
                if (*s->at != ']')
                        continue;
                while (p < s->end && *p == '=')
                        n++, p++;
                if (n == level && p < s->end && *p == ']') {
                        s->at = p + 1;
                        return;
                }
        }
}

static void skip_string(struct hb_policy_scan *s) {
        char quote = *s->at++;

        while (s->at < s->end && *s->at != quote && *s->at != '\n') {
                if (*s->at == '\\' && s->at + 1 < s->end)
                        step(s);
                step(s);
        }
        if (s->at < s->end && *s->at == quote)
                s->at++;
}

/* At "--". */
static void skip_comment(struct hb_policy_scan *s) {
        int level;

        s->at += 2;
        level = s->at < s->end && *s->at == '[' ? long_bracket(s) : -1;
        if (level >= 0)
                skip_long(s, level);
        else
                while (s->at < s->end && *s->at != '\n')
                        s->at++;
}

static bool at_comment(const struct hb_policy_scan *s) {
        return s->end - s->at >= 2 && s->at[0] == '-' && s->at[1] == '-';
}

static void skip_space(struct hb_policy_scan *s) {
        while (s->at < s->end && (isspace((unsigned char)*s->at) || at_comment(s)))
                if (at_comment(s))
                        skip_comment(s);
                else
                        step(s);
}

static bool is_letter(char c) {
        return isalnum((unsigned char)c) || c == '_';
}

/* A word at the scan's place; empty: something else stands there. */
static size_t word(const struct hb_policy_scan *s) {
        const char *p = s->at;

        while (p < s->end && is_letter(*p))
                p++;
        return (size_t)(p - s->at);
}

static bool take_word(struct hb_policy_scan *s, const char *want) {
        size_t n = word(s);
        bool same = n == strlen(want) && !memcmp(s->at, want, n);

        if (same)
                s->at += n;
        return same;
}

static bool take_char(struct hb_policy_scan *s, char c) {
        skip_space(s);
        if (s->at >= s->end || *s->at != c)
                return false;
        s->at++;
        return true;
}

/* Moves to the next word of the code and returns what stands before it: '.', ':' or another character; 0 at
 * the end. */
static char next_word(struct hb_policy_scan *s) {
        char before = ' ';

        while (s->at < s->end) {
                char c = *s->at;
                if (is_letter(c))
                        return before;
                if (at_comment(s)) {
                        skip_comment(s);
                } else if (c == '"' || c == '\'') {
                        skip_string(s);
                        before = c;
                } else if (c == '[' && long_bracket(s) >= 0) {
                        skip_long(s, long_bracket(s));
                        before = c;
                } else {
                        if (!isspace((unsigned char)c))
                                before = c;
                        step(s);
                }
        }
        return 0;
}

/* After `hb.use`. */
static int read_name(struct hb_policy_scan *s) {
        bool bracket = take_char(s, '(');
        const char *begin;
        size_t n;
        char quote;

        skip_space(s);
        if (s->at >= s->end || (*s->at != '"' && *s->at != '\''))
                return -EINVAL;
        quote = *s->at++;
        for (begin = s->at; s->at < s->end && *s->at != quote && *s->at != '\n';)
                s->at++;
        n = (size_t)(s->at - begin);
        if (s->at >= s->end || *s->at != quote || n >= sizeof s->name || memchr(begin, 0, n))
                return -EINVAL;
        s->at++;
        memcpy(s->name, begin, n);
        s->name[n] = 0;
        if (!hb_policy_part_name_ok(s->name) || (bracket && !take_char(s, ')')))
                return -EINVAL;
        return 1;
}

int hb_policy_scan_next(struct hb_policy_scan *s) {
        char before;

        while ((before = next_word(s))) {
                if (before == '.' || before == ':' || !take_word(s, "hb")) {
                        s->at += word(s);
                        continue;
                }
                s->found = s->line;
                if (!take_char(s, '.'))
                        continue;
                skip_space(s);
                if (take_word(s, "use"))
                        return read_name(s);
        }
        return 0;
}

bool hb_policy_scan_method(const char *text, size_t size, const char *name) {
        struct hb_policy_scan s = hb_policy_scan_begin(text, size);
        char before;

        while ((before = next_word(&s))) {
                if (before == ':' && take_word(&s, name))
                        return true;
                s.at += word(&s);
        }
        return false;
}
