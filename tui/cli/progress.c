/* progress: never a bare percentage. What decides whether a move ends is how much is left, how fast it grows
 * and how fast it goes, so that is what the line says; a bar that runs backwards says nothing. */
#include "cli/progress.h"
#include "base/clock.h"
#include "base/shape.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define PLAIN_EVERY_NS (5 * HB_NS_PER_S)

double hb_cli_remaining(const json_t *p) {
        double direct = hb_json_number(p, "remaining_bytes");

        if (!isnan(direct))
                return direct;
        return (hb_json_number(p, "stale_pages") + hb_json_number(p, "absent_pages") +
                hb_json_number(p, "fetching_pages")) *
               HB_PAGE_SIZE;
}

/* Appends ", LABEL VALUE" unless the value is unknown. */
static void append(char *buf, size_t size, const char *label, const char *value) {
        size_t n = strlen(buf);

        if (strcmp(value, "-") != 0 && value[0] && n < size)
                snprintf(buf + n, size - n, ", %s%s%s", label, label[0] ? " " : "", value);
}

void hb_cli_progress_line(const char *subject, const json_t *p, char *buf, size_t size) {
        const char *state =
                hb_json_text(p, "state_text")[0] ? hb_json_text(p, "state_text") : hb_json_text(p, "state");
        double downtime = hb_json_number(p, "estimate_downtime_ms"), left = hb_cli_remaining(p);
        char num[HB_FMT_SIZE];
        size_t n;

        if (isnan(downtime))
                downtime = hb_json_number(p, "estimate.downtime_ms");
        snprintf(buf, size, "%s%s%s", subject, subject[0] ? ": " : "", state[0] ? state : "working");
        n = strlen(buf);
        if (left >= 0 && n < size)
                snprintf(buf + n, size - n, ", %s left", hb_fmt_bytes(left, num));
        append(buf, size, "dirty", hb_fmt_rate(hb_json_number(p, "dirty_bytes_per_s"), num));
        append(buf, size, "sending", hb_fmt_rate(hb_json_number(p, "rate_bytes_per_s"), num));
        append(buf, size, "", hb_json_text(p, "trend"));
        append(buf, size, "ready in", hb_fmt_seconds(hb_json_number(p, "estimate.time_to_ready_s"), num));
        append(buf, size, "downtime", hb_fmt_ms(downtime, num));
        append(buf, size, "after", hb_fmt_seconds(hb_json_number(p, "elapsed_s"), num));
}

/* Cuts the line to `columns`, never inside a character. False: it did not fit. */
static bool fit(char *line, unsigned columns) {
        unsigned n = 0;

        for (char *p = line; *p; p++)
                if (((unsigned char)*p & 0xC0) != 0x80 && ++n > columns) {
                        *p = '\0';
                        return false;
                }
        return true;
}

/* On a narrow terminal the estimates matter more than the names, which were typed just above. */
static void fitted_line(const struct hb_cli_progress *p, const json_t *object, char *line, size_t size) {
        unsigned columns = (p->c->io->width ? p->c->io->width : 80) - 1;

        hb_cli_progress_line(p->subject, object, line, size);
        if (fit(line, columns))
                return;
        hb_cli_progress_line("", object, line, size);
        fit(line, columns);
}

void hb_cli_progress_show(void *arg, const json_t *object) {
        struct hb_cli_progress *p = arg;
        const struct hb_cli_io *io = p->c->io;
        uint64_t now = hb_now_ns();
        char line[400];

        if (p->c->json || (!io->err_tty && p->last_ns && now - p->last_ns < PLAIN_EVERY_NS))
                return;
        p->last_ns = now;
        if (io->err_tty) {
                fitted_line(p, object, line, sizeof(line));
                fputs("\r\033[K", io->err);
        } else {
                hb_cli_progress_line(p->subject, object, line, sizeof(line));
        }
        hb_cli_put(io->err, line);
        if (!io->err_tty)
                fputc('\n', io->err);
        p->open = io->err_tty;
        fflush(io->err);
}

void hb_cli_progress_end(struct hb_cli_progress *p) {
        if (p->open)
                fputs("\r\033[K", p->c->io->err);
        p->open = false;
}

int hb_cli_goes_on(const char *what, const char *guest, const char *next, struct hb_err *e) {
        return hb_err_set(e, -EINTR, guest, next, "stopped waiting: the %s goes on in harbingerd", what);
}
