/* guess: which format the first bytes are of. The first line that says something decides; several formats do
 * not share a line that fits both (a time and "r 0x1000" is no row of four numbers, and so on). */
#include "convert/import_priv.h"
#include "convert/scan.h"
#include <errno.h>
#include <string.h>

#define LOOK_AT 4096u

static const struct {
        const char *magic, *what, *next;
} others[] = {
        {"\x89HBT", "a Harbinger trace already", "harbinger trace info says what is in it"},
        {"\x1F\x8B", "gzip", "gzip -dc FILE | harbinger trace import - -o OUT"},
        {"\xFD"
         "7zXZ",
         "xz", "xz -dc FILE | harbinger trace import - -o OUT"},
        {"SQLite format 3", "an SQLite file", "export it to CSV first"},
        {"PERFILE2", "perf's own file", "perf script -F time,event,addr | harbinger trace import - -o OUT"},
};

static bool is_text(const uint8_t *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (p[i] < 0x20 && p[i] != '\n' && p[i] != '\r' && p[i] != '\t')
                        return false;
        return n > 0;
}

static int by_line(const char *p, const char *end) {
        if (hb_import_csv_like(p, end))
                return HB_IMPORT_CSV;
        if (hb_import_lackey_like(p, end))
                return HB_IMPORT_LACKEY;
        if (hb_import_text_like(p, end))
                return HB_IMPORT_TEXT;
        return hb_import_perf_like(p, end) ? HB_IMPORT_PERF : HB_IMPORT_GUESS;
}

static int by_lines(const char *p, const char *end) {
        while (p < end) {
                const char *line = p, *stop = memchr(p, '\n', (size_t)(end - p));

                stop = stop ? stop : end;
                p = stop < end ? stop + 1 : end;
                if (stop > line && stop[-1] == '\r')
                        stop--;
                if (hb_scan_blanks(line, stop) < stop && *hb_scan_blanks(line, stop) != '#')
                        return by_line(line, stop);
        }
        return HB_IMPORT_GUESS;
}

int hb_import_guess(hb_source *s, const char *name, struct hb_err *e) {
        const char *const how = "say what it is: --format csv, oracle, lackey, perf or text";
        const uint8_t *p;
        size_t n;
        int r = hb_source_peek(s, LOOK_AT, &p, &n, e);

        if (r < 0)
                return r;
        if (n == 0)
                return hb_err_set(e, -ENODATA, name, NULL, "the input is empty");
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (n >= strlen(others[i].magic) && memcmp(p, others[i].magic, strlen(others[i].magic)) == 0)
                        return hb_err_set(e, -EBADMSG, name, others[i].next, "the input is %s",
                                          others[i].what);
        n = n > LOOK_AT ? LOOK_AT : n;
        if (is_text(p, n)) {
                r = by_lines((const char *)p, (const char *)p + n);
                if (r == HB_IMPORT_GUESS)
                        return hb_err_set(e, -EBADMSG, name, how,
                                          "the input's first line is of no format known");
                return r;
        }
        if (hb_import_oracle_like(p, n))
                return HB_IMPORT_ORACLE;
        return hb_err_set(e, -EBADMSG, name, how,
                          "the input is binary and not of records of 24 bytes in order of time");
}
