/* from_text: `[time] r|w address [size]`, the least a tracer can print. Blanks or commas between; addresses
 * in 0x hex or decimal; the time in seconds, on every line or on none; # begins a comment. */
#include "convert/import_priv.h"
#include "convert/scan.h"

struct access {
        bool timed;
        uint64_t time_ns, address, bytes;
        unsigned what;
};

static const char *gap(const char *p, const char *end) {
        p = hb_scan_blanks(p, end);
        return p < end && *p == ',' ? hb_scan_blanks(p + 1, end) : p;
}

static bool is_gap(char c) {
        return hb_scan_blank(c) || c == ',';
}

/* r, R, w or W, alone or as the word read, write, load, store; 0: none of them. */
static unsigned kind(const char **p, const char *end) {
        static const struct {
                const char *word;
                unsigned what;
        } words[] = {{"r", HB_IMPORT_READ},    {"w", HB_IMPORT_WRITE},    {"R", HB_IMPORT_READ},
                     {"W", HB_IMPORT_WRITE},   {"read", HB_IMPORT_READ},  {"write", HB_IMPORT_WRITE},
                     {"load", HB_IMPORT_READ}, {"store", HB_IMPORT_WRITE}};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                const char *q = *p;

                if (hb_scan_literal(&q, end, words[i].word) && q < end && is_gap(*q)) {
                        *p = q;
                        return words[i].what;
                }
        }
        return 0;
}

static const char *parse(const char *p, const char *end, struct access *ret, const char **expected) {
        *ret = (struct access){.bytes = 1};
        p = hb_scan_blanks(p, end);
        *expected = "a time in seconds or r or w";
        ret->timed = p < end && (unsigned char)(*p - '0') < 10;
        if (ret->timed) {
                if (!hb_scan_seconds(&p, end, &ret->time_ns) || p == end || !is_gap(*p))
                        return p;
                p = gap(p, end);
                *expected = "r or w";
        }
        ret->what = kind(&p, end);
        if (!ret->what)
                return p;
        p = gap(p, end);
        *expected = "an address, 0x hex or decimal";
        if (!hb_scan_number(&p, end, &ret->address) || (p < end && !is_gap(*p)))
                return p;
        p = gap(p, end);
        *expected = "a size in bytes, or the line's end";
        if (p < end && !hb_scan_number(&p, end, &ret->bytes))
                return p;
        p = hb_scan_blanks(p, end);
        return p == end || *p == '#' ? NULL : p;
}

bool hb_import_text_like(const char *p, const char *end) {
        const char *expected;
        struct access a;

        return !parse(p, end, &a, &expected);
}

int hb_import_text_line(struct hb_import_job *j, const char *p, const char *end) {
        const char *first = hb_scan_blanks(p, end), *expected, *wrong;
        struct access a;
        int r;

        if (first == end || *first == '#')
                return 0;
        wrong = parse(p, end, &a, &expected);
        if (wrong)
                return hb_import_bad(j, wrong, end, expected);
        if (!j->time_known) {
                j->time_known = true;
                j->stats.timed = a.timed;
        }
        if (a.timed != j->stats.timed)
                return hb_import_bad(j, first, end,
                                     j->stats.timed ? "a time, which earlier lines have"
                                                    : "no time, which earlier lines do not have");
        r = a.timed ? hb_import_time(j, a.time_ns, HB_IMPORT_FROM_FIRST) : hb_import_counted(j);
        if (r != 0)
                return r == HB_IMPORT_OUTSIDE ? 0 : r;
        return hb_import_access(j, a.address, a.bytes, a.what);
}
