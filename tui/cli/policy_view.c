/* policy_view: what decides first, then what it costs and how good it is. Unknown figures are "-". */
#include "cli/policy_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

#define HASH_DIGITS 8

const char *hb_cli_policy_name(const json_t *version, char *buf, size_t size) {
        double number = hb_json_number(version, "number");

        buf[0] = '\0';
        if (hb_json_text(version, "name")[0] && number >= 1)
                snprintf(buf, size, "%s@%.0f", hb_json_text(version, "name"), number);
        else
                snprintf(buf, size, "%s", hb_json_text(version, "name"));
        return buf;
}

unsigned hb_cli_say_failed(struct hb_cli *c, const json_t *result) {
        const json_t *list = json_object_get(result, "failed");
        json_t *f;
        size_t i;

        json_array_foreach((json_t *)list, i, f) {
                fputs("not taken by ", c->io->err);
                hb_cli_put(c->io->err, hb_json_text(f, "guest"));
                fputs(": ", c->io->err);
                hb_cli_put(c->io->err, hb_json_text(f, "error.what"));
                fputc('\n', c->io->err);
        }
        return (unsigned)json_array_size(list);
}

/* ---- numbers ---- */

static const char *fixed(double v, unsigned digits, char *buf) {
        if (isnan(v))
                snprintf(buf, HB_FMT_SIZE, "-");
        else
                snprintf(buf, HB_FMT_SIZE, "%.*f", (int)digits, v);
        return buf;
}

static void number_cell(hb_cli_table *t, double v, unsigned digits) {
        char buf[HB_FMT_SIZE];

        hb_cli_table_cell(t, HB_PLAIN, fixed(v, digits, buf));
}

static void count_cell(hb_cli_table *t, double v, enum hb_cli_color color) {
        char buf[HB_FMT_SIZE];

        hb_cli_table_cell(t, v > 0 ? color : HB_PLAIN, hb_fmt_count(v, buf));
}

static void hash_cell(hb_cli_table *t, const char *hash) {
        char buf[HASH_DIGITS + 1];

        snprintf(buf, sizeof(buf), "%s", hash);
        hb_cli_table_cell(t, HB_DIM, buf);
}

/* ---- list ---- */

/* Mean over the guests that know it. */
static double mean_value(const json_t *guests, const char *lane) {
        char path[32];
        double sum = 0;
        unsigned n = 0;
        json_t *g;
        size_t i;

        snprintf(path, sizeof(path), "%s.value", lane);
        json_array_foreach((json_t *)guests, i, g) {
                double v = hb_json_number(g, path);

                if (!isnan(v)) {
                        sum += v;
                        n++;
                }
        }
        return n ? sum / n : NAN;
}

static const char *remark(const json_t *v, char *buf, size_t size) {
        size_t quarantined = json_array_size(json_object_get(v, "quarantined"));

        if (quarantined)
                snprintf(buf, size, "in quarantine on %zu guest%s: %s", quarantined,
                         quarantined == 1 ? "" : "s", hb_json_text(v, "last_error"));
        else if (hb_json_text(v, "note")[0])
                snprintf(buf, size, "%s", hb_json_text(v, "note"));
        else
                snprintf(buf, size, "%s", hb_json_text(v, "last_error"));
        return buf;
}

static void place_row(hb_cli_table *t, const json_t *kind, const char *place, const json_t *guests) {
        const json_t *v = json_object_get(kind, place);
        double canary = hb_json_number(kind, "canary");
        char name[100], text[400], as[40];
        bool judged = strcmp(place, "previous") != 0;

        if (!json_is_object(v))
                return;
        snprintf(as, sizeof(as), "%s", place);
        if (canary > 0 && strcmp(place, "shadow") == 0)
                snprintf(as, sizeof(as), "canary %.0f %%", canary * 100);
        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(kind, "kind"));
        hb_cli_table_cell(t, canary > 0 && strcmp(place, "shadow") == 0 ? HB_WARN : HB_PLAIN, as);
        hb_cli_table_cell(t, HB_PLAIN, hb_cli_policy_name(v, name, sizeof(name)));
        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(v, "version"));
        hash_cell(t, hb_json_text(v, "hash"));
        count_cell(t, hb_json_number(v, "calls"), HB_PLAIN);
        count_cell(t, hb_json_number(v, "errors"), HB_WARN);
        number_cell(t, hb_json_number(v, "ns_per_page"), 1);
        number_cell(t, judged ? mean_value(guests, place) : NAN, 3);
        hb_cli_table_cell(t, json_array_size(json_object_get(v, "quarantined")) ? HB_BAD : HB_PLAIN,
                          judged ? remark(v, text, sizeof(text)) : "");
}

static void candidates(struct hb_cli *c, const json_t *kind) {
        json_t *f;
        size_t i;

        fprintf(c->io->out, "%-10s ", hb_json_text(kind, "kind"));
        json_array_foreach(json_object_get(kind, "candidates"), i, f) {
                const char *place = hb_json_text(f, "place");

                fputs(i ? ", " : "", c->io->out);
                hb_cli_put(c->io->out, hb_json_text(f, "name"));
                if (place[0])
                        fprintf(c->io->out, " (%s)", place);
                if (hb_json_text(f, "error")[0])
                        fputs(" (cannot be read)", c->io->out);
        }
        fputc('\n', c->io->out);
}

static void say_trouble(struct hb_cli *c, const json_t *kind) {
        if (!json_is_object(json_object_get(kind, "trouble")))
                return;
        fprintf(c->io->err, "%s '%s' was refused: ", hb_json_text(kind, "kind"),
                hb_json_text(kind, "trouble.name"));
        hb_cli_put(c->io->err, hb_json_text(kind, "trouble.what"));
        fputc('\n', c->io->err);
}

void hb_cli_view_policies(struct hb_cli *c, const json_t *list) {
        static const char *const headings[] = {"KIND",    "PLACE",    "POLICY", "VERSION", "HASH", ">CALLS",
                                               ">ERRORS", ">NS/PAGE", ">VALUE", "NOTE",    NULL};
        static const char *const places[] = {"active", "shadow", "previous"};
        const json_t *kinds = json_object_get(list, "kinds");
        hb_cli_table *t = hb_cli_table_new(headings);
        json_t *k;
        size_t i;

        json_array_foreach((json_t *)kinds, i, k) {
                for (size_t p = 0; p < 3; p++)
                        place_row(t, k, places[p], json_object_get(list, "guests"));
        }
        hb_cli_table_print(t, c);
        fputs("\nfiles in ", c->io->out);
        hb_cli_put(c->io->out, hb_json_text(list, "dir"));
        fputs(":\n", c->io->out);
        json_array_foreach((json_t *)kinds, i, k) {
                candidates(c, k);
        }
        json_array_foreach((json_t *)kinds, i, k) {
                say_trouble(c, k);
        }
}

/* ---- one ---- */

static const char *bound(double v, char *buf) {
        if (isnan(v))
                snprintf(buf, HB_FMT_SIZE, "any");
        else
                snprintf(buf, HB_FMT_SIZE, "%.6g", v);
        return buf;
}

void hb_cli_view_params(struct hb_cli *c, const json_t *params) {
        static const char *const headings[] = {"PARAM", ">VALUE", ">DEFAULT", ">FROM", ">TO",
                                               "TYPE",  "UNIT",   "HELP",     NULL};
        static const char *const figures[] = {"value", "default", "min", "max"};
        hb_cli_table *t = hb_cli_table_new(headings);
        char buf[HB_FMT_SIZE];
        json_t *p;
        size_t i;

        json_array_foreach((json_t *)params, i, p) {
                bool tuned = hb_json_number(p, "value") != hb_json_number(p, "default");

                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "name"));
                for (size_t f = 0; f < 4; f++)
                        hb_cli_table_cell(t, f == 0 && tuned ? HB_WARN : HB_PLAIN,
                                          bound(hb_json_number(p, figures[f]), buf));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "type"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "unit"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(p, "help"));
        }
        hb_cli_table_print(t, c);
}

static void parts_field(struct hb_cli *c, const json_t *policy) {
        char line[400] = "";
        json_t *part;
        size_t i;

        json_array_foreach(json_object_get(policy, "parts"), i, part) {
                size_t at = strlen(line);

                snprintf(line + at, sizeof(line) - at, "%s%s", i ? ", " : "", hb_json_text(part, "name"));
        }
        hb_cli_field(c, "uses", line);
}

static void calls_field(struct hb_cli *c, const json_t *policy) {
        char line[200], num[3][HB_FMT_SIZE];

        if (!(hb_json_number(policy, "calls") > 0))
                return;
        snprintf(line, sizeof(line), "%s on %zu guest%s, %s errors; %s ns a page, the longest %s",
                 hb_fmt_count(hb_json_number(policy, "calls"), num[0]),
                 json_array_size(json_object_get(policy, "guests")),
                 json_array_size(json_object_get(policy, "guests")) == 1 ? "" : "s",
                 hb_fmt_count(hb_json_number(policy, "errors"), num[1]),
                 fixed(hb_json_number(policy, "ns_per_page"), 1, num[2]),
                 hb_fmt_ms(hb_json_number(policy, "max_ms"), (char[HB_FMT_SIZE]){0}));
        hb_cli_field(c, "calls", line);
}

void hb_cli_view_policy(struct hb_cli *c, const json_t *policy) {
        char name[100], line[300];

        snprintf(line, sizeof(line), "%s %s, version %s", hb_json_text(policy, "kind"),
                 hb_cli_policy_name(policy, name, sizeof(name)),
                 hb_json_text(policy, "version")[0] ? hb_json_text(policy, "version") : "not looked at");
        hb_cli_field(c, "policy", line);
        hb_cli_field(c, "hash", hb_json_text(policy, "hash"));
        hb_cli_field(c, "place", hb_json_text(policy, "place")[0] ? hb_json_text(policy, "place") : "none");
        parts_field(c, policy);
        calls_field(c, policy);
        hb_cli_field(c, "note", hb_json_text(policy, "note"));
        hb_cli_field(c, "last error", hb_json_text(policy, "last_error"));
}

/* ---- shadow ---- */

static void lane_row(hb_cli_table *t, const json_t *guest, const char *lane) {
        static const struct {
                const char *member;
                unsigned digits;
        } columns[] = {{"lessons", 0},   {"f1", 3},         {"f1_returning", 3}, {"f1_writes", 3},
                       {"precision", 3}, {"recall", 3},     {"wasted", 3},       {"would_fetch", 3},
                       {"value", 3},     {"ns_per_page", 0}};
        char path[48];

        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(guest, "guest"));
        hb_cli_table_cell(t, strcmp(lane, "shadow") == 0 ? HB_DIM : HB_PLAIN, lane);
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
                snprintf(path, sizeof(path), "%s.%s", lane, columns[i].member);
                number_cell(t, hb_json_number(guest, path), columns[i].digits);
        }
}

static void who_is_who(struct hb_cli *c, const json_t *kind) {
        char a[100], s[100];

        if (!json_is_object(json_object_get(kind, "shadow")))
                return;
        fprintf(c->io->out, "%s: ", hb_json_text(kind, "kind"));
        hb_cli_put(c->io->out, hb_cli_policy_name(json_object_get(kind, "active"), a, sizeof(a)));
        fputs(" is active, ", c->io->out);
        hb_cli_put(c->io->out, hb_cli_policy_name(json_object_get(kind, "shadow"), s, sizeof(s)));
        fputs(" shadows", c->io->out);
        if (hb_json_number(kind, "canary") > 0)
                fprintf(c->io->out, "; on %.0f %% of the guests the other way round",
                        hb_json_number(kind, "canary") * 100);
        fputc('\n', c->io->out);
}

void hb_cli_view_shadow(struct hb_cli *c, const json_t *shadow) {
        static const char *const headings[] = {"GUEST",   "LANE",       ">LESSONS", ">F1",     ">RETURNING",
                                               ">WRITES", ">PRECISION", ">RECALL",  ">WASTED", ">FETCHES",
                                               ">VALUE",  ">NS/PAGE",   NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        json_t *item;
        size_t i;

        json_array_foreach(json_object_get(shadow, "kinds"), i, item) {
                who_is_who(c, item);
        }
        json_array_foreach(json_object_get(shadow, "guests"), i, item) {
                lane_row(t, item, "active");
                if (json_is_object(json_object_get(item, "shadow")))
                        lane_row(t, item, "shadow");
        }
        hb_cli_table_print(t, c);
}

/* ---- history ---- */

void hb_cli_view_events(struct hb_cli *c, const json_t *events) {
        static const char *const headings[] = {"TIME", "WHO",    "WHAT",   "KIND", "POLICY",
                                               "HASH", "GUESTS", "RESULT", "WHY",  NULL};
        static const char *const members[] = {"time", "who", "op", "kind", "name"};
        hb_cli_table *t = hb_cli_table_new(headings);
        json_t *e;
        size_t i;

        json_array_foreach((json_t *)events, i, e) {
                const char *op = hb_json_text(e, "op");
                bool bad = strcmp(op, "refused") == 0 || strcmp(op, "failed") == 0 ||
                           strcmp(op, "quarantine") == 0;

                for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
                        hb_cli_table_cell(t, m == 2 && bad ? HB_BAD : HB_PLAIN, hb_json_text(e, members[m]));
                hash_cell(t, hb_json_text(e, "hash"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(e, "guests"));
                hb_cli_table_cell(t, bad ? HB_WARN : HB_PLAIN, hb_json_text(e, "result"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(e, "why"));
        }
        hb_cli_table_print(t, c);
}
