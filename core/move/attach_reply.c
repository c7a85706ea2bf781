/* attach_reply: decodes "ok key=value ..." and "error ERRNO words". Invariant: what does not fit is refused,
 * never cut: a path or an address that lost its end would be another one. Pure, any thread. */
#include "move/attach_reply.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool copy(char *out, size_t size, const char *p, size_t n) {
        if (n >= size || memchr(p, '\0', n))
                return false;
        memcpy(out, p, n);
        out[n] = '\0';
        return true;
}

static bool starts(const char *line, size_t size, const char *word) {
        size_t n = strlen(word);

        return size >= n && memcmp(line, word, n) == 0 && (size == n || line[n] == ' ');
}

static bool parse_pair(const char *p, size_t n, struct hb_attach_reply *r) {
        const char *eq = memchr(p, '=', n);
        size_t key = eq ? (size_t)(eq - p) : 0;

        if (key == 0 || r->npairs == HB_ATTACH_PAIRS)
                return false;
        if (!copy(r->pairs[r->npairs].key, sizeof(r->pairs[0].key), p, key) ||
            !copy(r->pairs[r->npairs].value, sizeof(r->pairs[0].value), eq + 1, n - key - 1))
                return false;
        r->npairs++;
        return true;
}

static bool parse_pairs(const char *p, const char *end, struct hb_attach_reply *r) {
        while (p < end) {
                const char *blank = memchr(p, ' ', (size_t)(end - p));
                const char *stop = blank ? blank : end;

                if (!parse_pair(p, (size_t)(stop - p), r))
                        return false;
                p = blank ? blank + 1 : end;
        }
        return true;
}

static bool parse_error(const char *p, const char *end, struct hb_attach_reply *r) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        const char *stop = blank ? blank : end;
        char name[24];

        if (!copy(name, sizeof(name), p, (size_t)(stop - p)))
                return false;
        r->code = hb_errno_from_name(name);
        p = blank ? blank + 1 : end;
        return r->code < 0 && copy(r->words, sizeof(r->words), p, (size_t)(end - p));
}

int hb_attach_reply_parse(const char *line, size_t size, struct hb_attach_reply *ret) {
        struct hb_attach_reply r = {0};
        const char *end = line + size;
        bool good = false;

        if (starts(line, size, "ok"))
                good = parse_pairs(size > 3 ? line + 3 : end, end, &r);
        else if (starts(line, size, "error") && size > 6)
                good = parse_error(line + 6, end, &r);
        if (!good)
                return -EPROTO;
        *ret = r;
        return 0;
}

const char *hb_attach_reply_get(const struct hb_attach_reply *r, const char *key) {
        for (unsigned i = 0; i < r->npairs; i++)
                if (strcmp(r->pairs[i].key, key) == 0)
                        return r->pairs[i].value;
        return "";
}

int hb_attach_reply_number(const struct hb_attach_reply *r, const char *key, uint64_t max, uint64_t *ret) {
        const char *s = hb_attach_reply_get(r, key);
        bool hex = s[0] == '0' && s[1] == 'x';
        size_t digits = strspn(s + (hex ? 2 : 0), hex ? "0123456789abcdef" : "0123456789");
        uint64_t v;

        if (digits == 0 || digits > 19 || s[(hex ? 2 : 0) + digits] != '\0')
                return -EPROTO;
        errno = 0;
        v = strtoull(s, NULL, hex ? 16 : 10);
        if (errno != 0 || v > max)
                return -EPROTO;
        *ret = v;
        return 0;
}
