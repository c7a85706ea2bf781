/* bench_console_paint: what one refresh of the console costs with 500 guests.
 *
 *   bench_console_paint [--json]
 *
 * A table of 500 rows and 12 columns is built, arranged (sorted, with a filter that most rows pass), painted
 * at 200x60 and made JSON; beside each, copying as many bytes as the doc's texts have. Best of several
 * rounds. */
#include "base/clock.h"
#include "draw/doc_out.h"
#include "draw/format.h"
#include "draw/paint.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS    500u
#define COLUMNS 12u
#define ROUNDS  40u

static const struct hb_doc_column columns[COLUMNS] = {
        {"guest", "GUEST"},           {"host", "HOST", false, 1},  {"to", "TO"},
        {"ready", "READY"},           {"state", "STATE"},          {"down", "DOWNTIME", true, 1},
        {"rate", "RATE", true, 3},    {"dirty", "DIRTY", true, 4}, {"mem", "MEMORY", true, 5},
        {"trend", "TREND", false, 2}, {"path", "PATH", false, 6},  {"why", "WHY", false, 6, 0, true},
};

static void cells(hb_doc_table *t, unsigned i) {
        double share = i * 37 % 101 / 100.0;
        char id[32], buf[HB_FMT_SIZE];

        snprintf(id, sizeof(id), "host%u/guest%u", i % 50, i);
        hb_doc_row(t, id);
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string(id), "%s", id);
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string("a"), "host%u", i % 50);
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string("b"), "host%u", i % 49);
        hb_doc_cell_bar(t, HB_STYLE_GOOD, share, json_real(share), "%s", hb_fmt_share(share, buf));
        hb_doc_cell(t, HB_STYLE_WARN, json_string("filling"), "%s", share > 0.9 ? "+ ready" : "~ filling");
        hb_doc_cell(t, HB_STYLE_NORMAL, json_real(share), "%s", hb_fmt_seconds(share, buf));
        hb_doc_cell(t, HB_STYLE_NORMAL, json_real(1e6 * i), "%s", hb_fmt_rate(1e6 * i, buf));
        hb_doc_cell(t, HB_STYLE_NORMAL, json_real(3e5 * i), "%s", hb_fmt_rate(3e5 * i, buf));
        hb_doc_cell(t, HB_STYLE_NORMAL, json_integer(1 << 29), "%s", hb_fmt_bytes(1 << 29, buf));
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string("converging"), "%s",
                    i % 3 ? "converging" : "stalled since 12 s");
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string("tcp"), "tcp");
        hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "%s",
                    i % 3 ? "" : "the guest writes 88 MiB/s, the link sends 70");
}

static hb_doc *build(void) {
        hb_doc *d = hb_doc_new("overview");
        hb_doc_table *t = hb_doc_table_new(d, "guests", "guests", columns, COLUMNS, true, "no guests");

        for (unsigned i = 0; i < ROWS; i++)
                cells(t, i);
        return d;
}

enum { BUILD, ARRANGE, PAINT, JSON, FREE, COPY, STEPS };

static void least(double *best, uint64_t from) {
        double ms = (double)(hb_now_ns() - from) / 1e6;

        *best = *best == 0 || ms < *best ? ms : *best;
}

static void copy(double *best) {
        static char from[ROWS * COLUMNS * 9], to[sizeof(from)];
        uint64_t start;

        memset(from, 1, sizeof(from));
        start = hb_now_ns();
        memcpy(to, from, sizeof(to));
        __asm__ volatile("" ::"r"(to) : "memory");
        least(best, start);
}

static void one_round(hb_surface *s, struct hb_place_in_doc *place, double best[STEPS]) {
        struct hb_doc_order o = {.sort = "rate", .descending = true, .filter = "!xyz"};
        uint64_t start = hb_now_ns();
        struct hb_paint_result result;
        hb_doc *d = build();
        json_t *json;

        least(&best[BUILD], start);
        start = hb_now_ns();
        hb_doc_arrange(d, &o);
        least(&best[ARRANGE], start);
        start = hb_now_ns();
        hb_surface_clear(s);
        hb_paint_doc(s, (struct hb_rect){0, 0, 200, 60}, d, HB_GLYPHS_BLOCK, false, place, &result);
        least(&best[PAINT], start);
        start = hb_now_ns();
        json = hb_doc_json(d);
        least(&best[JSON], start);
        json_decref(json);
        start = hb_now_ns();
        hb_doc_free(d);
        least(&best[FREE], start);
        copy(&best[COPY]);
}

int main(int argc, char **argv) {
        static const char *const names[STEPS] = {"build", "arrange", "paint", "json", "free", "memcpy"};
        struct hb_place_in_doc place = {.row_line = 30};
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        double best[STEPS] = {0}, refresh;
        hb_surface *s = NULL;

        if (hb_surface_new(200, 60, true, &s) < 0)
                return 1;
        for (unsigned i = 0; i < ROUNDS; i++)
                one_round(s, &place, best);
        refresh = best[BUILD] + best[ARRANGE] + best[PAINT] + best[FREE];
        printf(json ? "{\"rows\": %u, \"columns\": %u" : "%u rows, %u columns: milliseconds\n", ROWS,
               COLUMNS);
        for (unsigned i = 0; i < STEPS; i++)
                printf(json ? ", \"%s_ms\": %.4f" : "  %-8s %8.4f\n", names[i], best[i]);
        printf(json ? ", \"refresh_ms\": %.4f, \"refresh_cpu_share\": %.6f}\n"
                    : "  refresh  %8.4f  at one a second: %.4f of a core\n",
               refresh, refresh / 1e3);
        hb_surface_free(s);
        return 0;
}
