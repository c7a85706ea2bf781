/* work: what a person who waits wants to know is how much is done of how much, how fast it goes and how long
 * it will take. One thread. */
#include "cli/work.h"
#include "base/clock.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

#define REDRAW_NS (200 * HB_NS_PER_MS)
#define SURE_NS   (500 * HB_NS_PER_MS) /* before that, a rate is a guess */
#define QUICK_NS  (300 * HB_NS_PER_MS) /* what is over by then needs no line */

void hb_cli_work_begin(struct hb_cli_work *w, struct hb_cli *c, const char *subject) {
        *w = (struct hb_cli_work){.c = c, .subject = subject, .began_ns = hb_now_ns()};
        hb_cli_interrupt_begin(c, &w->stop);
}

/* Never wider than the terminal: a wrapped line cannot be rewritten. */
static void show(struct hb_cli_work *w, const char *line) {
        const struct hb_cli_io *io = w->c->io;
        unsigned columns = (io->width ? io->width : 80) - 1, n = 0;
        char cut[400];
        size_t i = 0;

        for (; line[i] && i + 1 < sizeof(cut); i++) {
                n += ((unsigned char)line[i] & 0xC0) != 0x80;
                if (n > columns)
                        break;
                cut[i] = line[i];
        }
        cut[i] = '\0';
        fputs("\r\033[K", io->err);
        hb_cli_put(io->err, cut);
        fflush(io->err);
        w->open = true;
}

static bool due(struct hb_cli_work *w, uint64_t now) {
        if (w->c->json || !w->c->io->err_tty || now - w->began_ns < QUICK_NS ||
            (w->shown_ns && now - w->shown_ns < REDRAW_NS))
                return false;
        w->shown_ns = now;
        return true;
}

static double to_go(const struct hb_cli_work *w, uint64_t now, double share) {
        if (now - w->began_ns < SURE_NS || !(share > 0))
                return NAN;
        return (double)(now - w->began_ns) / 1e9 * (1 - share) / share;
}

static void add_time(char *line, size_t size, double seconds) {
        char num[HB_FMT_SIZE];
        size_t n = strlen(line);

        if (seconds >= 0 && n < size)
                snprintf(line + n, size - n, ", %s to go", hb_fmt_seconds(seconds, num));
}

bool hb_cli_work_tick(struct hb_cli_work *w, uint64_t at, uint64_t of) {
        uint64_t now = hb_now_ns();
        char line[400], num[3][HB_FMT_SIZE];

        if (due(w, now)) {
                double s = (double)(now - w->began_ns) / 1e9;

                snprintf(line, sizeof(line), "%.200s: %s%s%s, %s", w->subject,
                         hb_fmt_bytes((double)at, num[0]), of ? " of " : "",
                         of ? hb_fmt_bytes((double)of, num[1]) : "",
                         hb_fmt_rate(s > 0 ? (double)at / s : 0, num[2]));
                add_time(line, sizeof(line), of ? to_go(w, now, (double)at / (double)of) : NAN);
                show(w, line);
        }
        return hb_cli_interrupted(&w->stop);
}

bool hb_cli_work_share(struct hb_cli_work *w, double share, const char *what) {
        uint64_t now = hb_now_ns();
        char line[400], num[HB_FMT_SIZE];

        if (due(w, now)) {
                snprintf(line, sizeof(line), "%.150s: %s, %.150s", w->subject, hb_fmt_share(share, num),
                         what);
                add_time(line, sizeof(line), to_go(w, now, share));
                show(w, line);
        }
        return hb_cli_interrupted(&w->stop);
}

void hb_cli_work_end(struct hb_cli_work *w) {
        if (w->open)
                fputs("\r\033[K", w->c->io->err);
        w->open = false;
        fflush(w->c->io->err);
        hb_cli_interrupt_end(&w->stop);
}
