/* to_csv: `window_s,page,reads,writes`, one row a page and epoch. Events and epochs without accesses have no
 * rows. */
#include "convert/export_priv.h"
#include "convert/out.h"
#include <errno.h>
#include <string.h>

#define HEADING "window_s,page,reads,writes\n"
#define ROW_MAX 80u /* 4 numbers of at most 20 digits, less what they share */

static char *put_number(char *p, uint64_t v) {
        char digits[20];
        unsigned n = 0;

        do
                digits[n++] = (char)('0' + v % 10);
        while (v /= 10);
        while (n)
                *p++ = digits[--n];
        return p;
}

/* As few decimals as say it exactly. */
static char *put_seconds(char *p, uint64_t ns) {
        uint64_t rest = ns % 1000000000, unit = 100000000;

        p = put_number(p, ns / 1000000000);
        if (rest)
                *p++ = '.';
        for (; rest; rest %= unit, unit /= 10)
                *p++ = (char)('0' + rest / unit);
        return p;
}

static int put_epoch(struct hb_export_job *j, hb_out *out, const struct hb_trace_item *item,
                     uint64_t window) {
        char begins[32];
        size_t n = (size_t)(put_seconds(begins, window) - begins);

        for (size_t i = 0; i < item->naccess; i++) {
                const struct hb_trace_access *a = &item->access[i];
                char *row = hb_out_room(out, ROW_MAX), *p;

                if (!row)
                        return 0; /* told at close */
                memcpy(row, begins, n);
                p = row + n;
                *p++ = ',';
                p = put_number(p, a->gfn);
                *p++ = ',';
                p = put_number(p, a->reads);
                *p++ = ',';
                p = put_number(p, a->writes);
                *p++ = '\n';
                hb_out_wrote(out, (size_t)(p - row));
                j->stats.accesses += (uint64_t)a->reads + a->writes;
        }
        return 0;
}

int hb_export_csv(struct hb_export_job *j) {
        uint64_t last_ns = 0;
        struct hb_trace_item item;
        bool first = true;
        hb_out *out;
        void *heading;
        int r = hb_out_new(j->out, j->o->replace, &out, j->e);

        if (r < 0)
                return r;
        heading = hb_out_room(out, sizeof(HEADING));
        if (heading) {
                memcpy(heading, HEADING, sizeof(HEADING) - 1);
                hb_out_wrote(out, sizeof(HEADING) - 1);
        }
        while (!hb_out_failed(out) && (r = hb_export_next(j, &item)) == 1) {
                if (item.kind != HB_TRACE_EPOCH)
                        continue;
                r = put_epoch(j, out, &item, hb_export_window(j, item.time_ns, &last_ns, first));
                first = false;
        }
        if (r >= 0)
                return hb_out_close(out, &j->stats.out_bytes, j->e);
        hb_out_free(out);
        return r;
}
