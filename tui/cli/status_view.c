/* status_view: what an operator wants to see first stands first: is it ready, will it converge, what would
 * the move cost now. */
#include "cli/status_view.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

static enum hb_cli_color state_color(const char *state) {
        static const struct {
                const char *state;
                enum hb_cli_color color;
        } colors[] = {{"ready", HB_GOOD},      {"running", HB_GOOD}, {"lost", HB_BAD},
                      {"gone", HB_BAD},        {"frozen", HB_WARN},  {"paused", HB_WARN},
                      {"connecting", HB_WARN}, {"stalled", HB_WARN}};

        for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
                if (strcmp(colors[i].state, state) == 0)
                        return colors[i].color;
        return HB_PLAIN;
}

static void state_cell(hb_cli_table *t, const char *state) {
        hb_cli_table_cell(t, state_color(state), state);
}

/* Share of the pages that hold anything which lie ready on the target. */
static const char *fresh_share(const json_t *p, char *buf) {
        double resident = hb_json_number(p, "resident_pages"), fresh = hb_json_number(p, "fresh_pages");

        return hb_fmt_share(!(resident > 0) ? NAN : fresh < resident ? fresh / resident : 1, buf);
}

static double estimate(const json_t *p, const char *member) {
        char path[64];

        snprintf(path, sizeof(path), "estimate.%s", member);
        return hb_json_number(p, path);
}

void hb_cli_view_guests(struct hb_cli *c, const json_t *guests) {
        static const char *const headings[] = {"GUEST",  "STATE", "TRACKER",   ">RAM", ">RESIDENT",
                                               ">DIRTY", ">COST", "PLACED ON", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];
        json_t *g;
        size_t i;

        json_array_foreach((json_t *)guests, i, g) {
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(g, "name"));
                state_cell(t, hb_json_text(g, "state"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(g, "tracker"));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(g, "ram_bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(g, "resident_bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_rate(hb_json_number(g, "dirty_bytes_per_s"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_share(hb_json_number(g, "guest_cost_share"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(g, "placement.to"));
        }
        hb_cli_table_print(t, c);
}

static void placement_row(hb_cli_table *t, const json_t *p) {
        char num[HB_FMT_SIZE];

        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "guest"));
        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "to"));
        state_cell(t, hb_json_text(p, "state"));
        hb_cli_table_cell(t, HB_PLAIN, fresh_share(p, num));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_cli_remaining(p), num));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_rate(hb_json_number(p, "rate_bytes_per_s"), num));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(estimate(p, "time_to_ready_s"), num));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_ms(estimate(p, "downtime_ms"), num));
        state_cell(t, hb_json_text(p, "trend"));
}

void hb_cli_view_placements(struct hb_cli *c, const json_t *guests) {
        static const char *const headings[] = {"PLACEMENT", "ON",        "STATE",     ">FRESH", ">LEFT",
                                               ">RATE",     ">READY IN", ">DOWNTIME", "TREND",  NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        json_t *g;
        size_t i;

        json_array_foreach((json_t *)guests, i, g) {
                if (json_is_object(json_object_get(g, "placement")))
                        placement_row(t, json_object_get(g, "placement"));
        }
        hb_cli_table_print(t, c);
}

void hb_cli_view_incoming(struct hb_cli *c, const json_t *incoming) {
        static const char *const headings[] = {"INCOMING", "FROM",    "STATE",      ">FRESH",  ">LEFT",
                                               ">FETCHED", ">WASTED", ">PRECISION", ">RECALL", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];
        json_t *p;
        size_t i;

        json_array_foreach((json_t *)incoming, i, p) {
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "guest"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "from"));
                state_cell(t, hb_json_text(p, "state"));
                hb_cli_table_cell(t, HB_PLAIN, fresh_share(p, num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_cli_remaining(p), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(p, "pages") * 4096, num));
                hb_cli_table_cell(
                        t, HB_PLAIN,
                        hb_fmt_share(hb_json_number(p, "wasted_pages") / hb_json_number(p, "pages"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_share(hb_json_number(p, "precision"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_share(hb_json_number(p, "recall"), num));
        }
        hb_cli_table_print(t, c);
}

void hb_cli_view_handovers(struct hb_cli *c, const json_t *handovers) {
        static const char *const headings[] = {"HAND-OVER", "ROLE",   "WITH", "STATE",
                                               ">SINCE",    "REASON", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];
        json_t *h;
        size_t i;

        json_array_foreach((json_t *)handovers, i, h) {
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, "guest"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, "role"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, "peer"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, "state_text"));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(hb_json_number(h, "state_s"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, "error.what"));
        }
        hb_cli_table_print(t, c);
}

/* ---- one in full ---- */
static void mappers_field(struct hb_cli *c, const json_t *guest) {
        char line[200], pid[HB_FMT_SIZE];
        json_t *m;
        size_t i;

        json_array_foreach(json_object_get(guest, "mappers"), i, m) {
                snprintf(line, sizeof(line), "process %s (%s) also maps region %s for writing",
                         hb_fmt_count(hb_json_number(m, "pid"), pid), hb_json_text(m, "comm"),
                         hb_json_text(m, "region"));
                hb_cli_field(c, "careful", line);
        }
}

static void regions_field(struct hb_cli *c, const json_t *guest) {
        char line[400], num[HB_FMT_SIZE];
        json_t *r;
        size_t i;

        json_array_foreach(json_object_get(guest, "regions"), i, r) {
                snprintf(line, sizeof(line), "%s, %s, %s %s", hb_json_text(r, "name"),
                         hb_fmt_bytes(hb_json_number(r, "bytes"), num), hb_json_text(r, "backing"),
                         hb_json_text(r, "path"));
                hb_cli_field(c, "region", line);
        }
}

static void activity_fields(struct hb_cli *c, const json_t *guest) {
        char line[200], num[4][HB_FMT_SIZE];

        snprintf(line, sizeof(line), "%s, %s of it in use",
                 hb_fmt_bytes(hb_json_number(guest, "ram_bytes"), num[0]),
                 hb_fmt_bytes(hb_json_number(guest, "resident_bytes"), num[1]));
        hb_cli_field(c, "memory", line);
        snprintf(line, sizeof(line), "%s written; epoch %s of %s; a scan takes %s and costs the guest %s",
                 hb_fmt_rate(hb_json_number(guest, "dirty_bytes_per_s"), num[0]),
                 hb_fmt_count(hb_json_number(guest, "epoch"), num[1]),
                 hb_fmt_ms(hb_json_number(guest, "epoch_ms"), (char[HB_FMT_SIZE]){0}),
                 hb_fmt_ms(hb_json_number(guest, "scan_ms"), num[2]),
                 hb_fmt_share(hb_json_number(guest, "guest_cost_share"), num[3]));
        hb_cli_field(c, "activity", line);
}

void hb_cli_view_guest(struct hb_cli *c, const json_t *g) {
        char line[200], pid[HB_FMT_SIZE];

        hb_cli_field(c, "guest", hb_json_text(g, "name"));
        snprintf(line, sizeof(line), "%s, %s %s, process %s", hb_json_text(g, "state"),
                 hb_json_text(g, "kind"), hb_json_text(g, "vmm"),
                 hb_fmt_count(hb_json_number(g, "pid"), pid));
        hb_cli_field(c, "state", line);
        if (!hb_json_text(g, "tracker")[0]) /* still being attached */
                return;
        snprintf(line, sizeof(line), "%s%s", hb_json_text(g, "tracker"),
                 json_is_true(json_object_get(g, "resumed")) ? " (went on after a restart, without a gap)"
                                                             : "");
        hb_cli_field(c, "tracker", line);
        hb_cli_field(c, "sees", hb_json_text(g, "sees"));
        hb_cli_field(c, "limits", hb_json_text(g, "blind"));
        mappers_field(c, g);
        hb_cli_field(c, "devices", hb_json_text(g, "dma_note"));
        activity_fields(c, g);
        regions_field(c, g);
        if (json_is_false(json_object_get(g, "can_move")))
                hb_cli_field(c, "cannot move", hb_json_text(g, "cannot_move"));
        if (json_is_object(json_object_get(g, "placement")))
                hb_cli_view_placement(c, json_object_get(g, "placement"));
}

static void link_field(struct hb_cli *c, const json_t *p) {
        char line[200], num[4][HB_FMT_SIZE];
        double pack = hb_json_number(p, "link.compression");

        snprintf(line, sizeof(line), "%s away, %s, %s used",
                 hb_fmt_ms(hb_json_number(p, "link.latency_ms"), num[0]),
                 hb_fmt_rate(hb_json_number(p, "link.bytes_per_s"), num[1]),
                 hb_fmt_share(hb_json_number(p, "link.used_share"), num[2]));
        if (pack > 1.05)
                snprintf(line + strlen(line), sizeof(line) - strlen(line), ", packed %.1f to 1", pack);
        if (hb_json_number(p, "link.cap_bytes_per_s") > 0)
                snprintf(line + strlen(line), sizeof(line) - strlen(line), ", capped at %s",
                         hb_fmt_rate(hb_json_number(p, "link.cap_bytes_per_s"), num[3]));
        hb_cli_field(c, "link", line);
}

void hb_cli_view_placement(struct hb_cli *c, const json_t *p) {
        char line[300], num[6][HB_FMT_SIZE];

        snprintf(line, sizeof(line), "%s, %s for %s", hb_json_text(p, "to"), hb_json_text(p, "state"),
                 hb_fmt_seconds(hb_json_number(p, "since_s"), num[0]));
        hb_cli_field(c, "placed on", line);
        hb_cli_field(c, "trouble", hb_json_text(p, "error.what"));
        snprintf(line, sizeof(line), "%s fresh, %s left, sending %s, %s; ready in %s", fresh_share(p, num[0]),
                 hb_fmt_bytes(hb_cli_remaining(p), num[1]),
                 hb_fmt_rate(hb_json_number(p, "rate_bytes_per_s"), num[2]), hb_json_text(p, "trend"),
                 hb_fmt_seconds(estimate(p, "time_to_ready_s"), num[3]));
        hb_cli_field(c, "progress", line);
        if (hb_json_number(p, "spilled_pages") > 0) {
                snprintf(line, sizeof(line),
                         "%s of it on the target's disk, read back before the guest is stopped",
                         hb_fmt_bytes(hb_json_number(p, "spilled_pages") * 4096, num[0]));
                hb_cli_field(c, "spilled", line);
        }
        snprintf(line, sizeof(line), "%s of downtime, %s after the request",
                 hb_fmt_ms(estimate(p, "downtime_ms"), num[0]),
                 hb_fmt_bytes(estimate(p, "bytes_after"), num[1]));
        hb_cli_field(c, "a move now", line);
        snprintf(line, sizeof(line), "%s in %s pages, %s on the wire; %s wasted; summaries %s",
                 hb_fmt_bytes(hb_json_number(p, "bytes"), num[0]),
                 hb_fmt_count(hb_json_number(p, "pages"), num[1]),
                 hb_fmt_bytes(hb_json_number(p, "wire_bytes"), num[2]),
                 hb_fmt_share(hb_json_number(p, "wasted_pages") / hb_json_number(p, "pages"), num[3]),
                 hb_fmt_bytes(hb_json_number(p, "summary_bytes"), num[4]));
        hb_cli_field(c, "sent so far", line);
        snprintf(line, sizeof(line),
                 "%s there already, %s compressed away, %s zero; %s known, %s pages refuted",
                 hb_fmt_bytes(hb_json_number(p, "bytes_by_kind.duplicate"), num[0]),
                 hb_fmt_bytes(hb_json_number(p, "bytes_by_kind.compressed_away"), num[1]),
                 hb_fmt_bytes(hb_json_number(p, "bytes_by_kind.zero"), num[2]),
                 hb_fmt_bytes(hb_json_number(p, "known_pages") * 4096, num[3]),
                 hb_fmt_count(hb_json_number(p, "refuted_pages"), num[4]));
        hb_cli_field(c, "not sent", line);
        snprintf(line, sizeof(line), "precision %s, recall %s",
                 hb_fmt_share(hb_json_number(p, "precision"), num[0]),
                 hb_fmt_share(hb_json_number(p, "recall"), num[1]));
        if (!isnan(hb_json_number(p, "threshold")))
                snprintf(line + strlen(line), sizeof(line) - strlen(line), ", threshold %.3g",
                         hb_json_number(p, "threshold"));
        hb_cli_field(c, "foresight", line);
        snprintf(line, sizeof(line), "%s, %s, %s", hb_json_text(p, "policies.predictor"),
                 hb_json_text(p, "policies.scorer"), hb_json_text(p, "policies.threshold"));
        hb_cli_field(c, "policies", line);
        link_field(c, p);
}
