/* from_perf: samples as `perf script` prints them, whatever other columns are asked for:
 *   "  sh 18161 13408.420205:     250000 cpu/mem-loads,ldlat=30/P:     7f2d1c622c2a  68100142 |OP LOAD|..."
 * Read are the time (SECONDS.FRACTION: with six or nine digits), the event (the first later word that ends in
 * ':'), the hex address behind it, and data_src's "|OP LOAD|" or "|OP STORE|". A call chain's lines, comments
 * and empty lines are passed over. A name of a program can hold anything: the first word that is a time wins.
 */
#include "convert/import_priv.h"
#include "convert/scan.h"
#include <string.h>

struct sample {
        bool timed;
        bool doubtful; /* the number may be the instruction's address */
        uint64_t time_ns, address;
        unsigned what;
};

static const char *word_end(const char *p, const char *end) {
        while (p < end && !hb_scan_blank(*p))
                p++;
        return p;
}

/* The word [p, end) without its ':' is SECONDS.FRACTION. */
static bool is_time(const char *p, const char *end, uint64_t *ret_ns) {
        const char *dot = memchr(p, '.', (size_t)(end - p));

        return dot && end[-1] == ':' && (end - 1 - (dot + 1) == 6 || end - 1 - (dot + 1) == 9) &&
               hb_scan_seconds(&p, end - 1, ret_ns) && p == end - 1;
}

static bool has(const char *p, const char *end, const char *what) {
        return memmem(p, (size_t)(end - p), what, strlen(what)) != NULL;
}

static unsigned event_kind(const char *p, const char *end) {
        if (has(p, end, "store"))
                return HB_IMPORT_WRITE;
        return has(p, end, "load") ? HB_IMPORT_READ : HB_IMPORT_UNKNOWN;
}

/* data_src knows better than the event's name: one event may sample both. */
static unsigned data_kind(const char *p, const char *end, unsigned otherwise) {
        if (has(p, end, "|OP STORE|"))
                return HB_IMPORT_WRITE;
        return has(p, end, "|OP LOAD|") ? HB_IMPORT_READ : otherwise;
}

/* Without the column addr, perf prints the instruction's address behind the event, with its symbol: taking
 * that for data would be silently wrong. With addr there are two numbers, or no symbol, or data_src. */
static bool instruction_alone(const char *p, const char *end) {
        bool words = false;

        if (has(p, end, "|OP "))
                return false;
        while ((p = hb_scan_blanks(p, end)) < end) {
                const char *q = p;
                uint64_t address;

                if (hb_scan_hex(&q, end, &address) && (q == end || hb_scan_blank(*q)) && q - p >= 6)
                        return false;
                words = true;
                p = word_end(p, end);
        }
        return words;
}

/* The address behind the event; NULL on success, else where the text is wrong. */
static const char *parse_address(const char *p, const char *end, unsigned event, struct sample *ret) {
        p = hb_scan_blanks(p, end);
        if (!hb_scan_hex(&p, end, &ret->address) || (p < end && !hb_scan_blank(*p)))
                return p;
        ret->what = data_kind(p, end, event);
        ret->doubtful = instruction_alone(p, end);
        return ret->doubtful ? hb_scan_blanks(p, end) : NULL;
}

/* NULL: *ret says what the line is; else where it is wrong, or `p` itself when it is no sample at all. */
static const char *parse(const char *p, const char *end, struct sample *ret) {
        const char *line = p;

        *ret = (struct sample){0};
        while ((p = hb_scan_blanks(p, end)) < end) {
                const char *q = word_end(p, end);

                if (!ret->timed && is_time(p, q, &ret->time_ns))
                        ret->timed = true;
                else if (q[-1] == ':' && q - p > 1 &&
                         (ret->timed || hb_scan_digit(*hb_scan_blanks(q, end)) >= 0))
                        return parse_address(q, end, event_kind(p, q), ret);
                p = q;
        }
        return ret->timed ? end : line;
}

/* "        7f2d1c622c2a symbol+0x1 (file)" */
static bool is_call_chain(const char *p, const char *end) {
        uint64_t address;

        if (p == end || !hb_scan_blank(*p))
                return false;
        p = hb_scan_blanks(p, end);
        return hb_scan_hex(&p, end, &address) && (p == end || hb_scan_blank(*p));
}

bool hb_import_perf_like(const char *p, const char *end) {
        struct sample s;

        return !parse(p, end, &s) || s.doubtful;
}

static int take(struct hb_import_job *j, const struct sample *s, const char *p, const char *end) {
        int r;

        if (!j->time_known) {
                j->time_known = true;
                j->stats.timed = s->timed;
        }
        if (s->timed != j->stats.timed)
                return hb_import_bad(j, p, end,
                                     j->stats.timed ? "a time, which earlier samples have"
                                                    : "no time, which earlier samples do not have");
        if (s->address == 0 || !hb_import_kind_of(j, s->what)) {
                j->stats.skipped++;
                return 0;
        }
        r = s->timed ? hb_import_time(j, s->time_ns, HB_IMPORT_FROM_FIRST) : hb_import_counted(j);
        if (r != 0)
                return r == HB_IMPORT_OUTSIDE ? 0 : r;
        return hb_import_access(j, s->address, 1, s->what);
}

int hb_import_perf_line(struct hb_import_job *j, const char *p, const char *end) {
        const char *first = hb_scan_blanks(p, end), *wrong;
        struct sample s;

        if (first == end || *first == '#')
                return 0;
        wrong = parse(p, end, &s);
        if (wrong == p && is_call_chain(p, end))
                return 0;
        if (wrong && s.doubtful)
                return hb_import_bad(j, wrong, end,
                                     "a data address, not an instruction's (perf script -F time,event,addr)");
        if (wrong)
                return hb_import_bad(j, wrong, end,
                                     "a sample with event and address (perf script -F time,event,addr)");
        return take(j, &s, p, end);
}
