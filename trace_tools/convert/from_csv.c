/* from_csv: `window_s,page,reads,writes`. Windows are epochs as they are, so that what was exported comes
 * back with its times; rows of one window belong together and windows ascend. */
#include "convert/import_priv.h"
#include "convert/scan.h"
#include <errno.h>

#define HEADING "window_s,page,reads,writes"

struct row {
        uint64_t window_ns, page, reads, writes;
};

/* Where the text stops to be a row; NULL: it is one. */
static const char *parse(const char *p, const char *end, struct row *ret) {
        uint64_t *const numbers[] = {&ret->page, &ret->reads, &ret->writes};

        p = hb_scan_blanks(p, end);
        if (!hb_scan_seconds(&p, end, &ret->window_ns))
                return p;
        for (unsigned i = 0; i < 3; i++) {
                p = hb_scan_blanks(p, end);
                if (p == end || *p != ',')
                        return p;
                p = hb_scan_blanks(p + 1, end);
                if (!hb_scan_number(&p, end, numbers[i]))
                        return p;
        }
        p = hb_scan_blanks(p, end);
        return p == end ? NULL : p;
}

static bool is_heading(const char *p, const char *end) {
        hb_scan_literal(&p, end, "\xEF\xBB\xBF"); /* spreadsheets */
        return hb_scan_literal(&p, end, HEADING) && p == end;
}

bool hb_import_csv_like(const char *p, const char *end) {
        struct row row;

        return is_heading(p, end) || !parse(p, end, &row);
}

/* Numbers follow the time, so that a gap is a gap; windows closer than their length are numbered on. */
static int enter_window(struct hb_import_job *j, uint64_t ns) {
        uint64_t length = j->o->epoch_ns, number = (ns + length / 2) / length + 1;
        struct hb_gather *g = &j->gather;

        if (g->epoch && ns + length == g->time_ns)
                return 0;
        if (number <= g->epoch)
                number = (uint64_t)g->epoch + 1;
        if (number > UINT32_MAX)
                return hb_import_fail(j, -ERANGE, "--epoch says how long a window is",
                                      "there are more than 2^32 windows");
        return hb_gather_epoch(g, (uint32_t)number, ns + length, j->e);
}

int hb_import_csv_line(struct hb_import_job *j, const char *p, const char *end) {
        struct row row;
        const char *wrong;
        uint64_t ns;
        int r;

        if (j->stats.lines == 1 && is_heading(p, end))
                return 0;
        wrong = parse(p, end, &row);
        if (wrong)
                return hb_import_bad(j, wrong, end,
                                     j->stats.lines == 1 ? "the heading " HEADING " or four numbers"
                                                         : "four numbers: " HEADING);
        r = hb_import_clock(j, row.window_ns, HB_IMPORT_FROM_ZERO, &ns);
        if (r != 0)
                return r < 0 ? r : r == HB_IMPORT_OUTSIDE ? 0 : r;
        if (row.reads == 0 && row.writes == 0) {
                j->stats.skipped++;
                return 0;
        }
        r = enter_window(j, ns);
        if (r == 0)
                r = hb_import_page(j, row.page, row.reads, row.writes);
        if (r == 0)
                j->stats.accesses += row.reads + row.writes;
        return r;
}
