/* bench_policy: pages a second through the default predictor and scorer, as Lua and as the built-ins, beside
 * the same formulas as one plain C loop; and what one call of the threshold costs.  bench_policy [--json]
 * [pages, default 16 Mi]
 *
 * The batches are full and lie in 64 MiB of columns, so they come from memory and not from the cache. */
#include "base/clock.h"
#include "policy/policy.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 32
#define COLUMNS 6
#define ROUNDS  5

struct world {
        float *columns[COLUMNS], *accesses, *writes, *scores;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
};

static struct hb_policy_pages batch(const struct world *w, unsigned b) {
        size_t at = (size_t)b * HB_POLICY_BATCH;

        return (struct hb_policy_pages){.n = HB_POLICY_BATCH,
                                        .read_heat = w->columns[0] + at,
                                        .write_heat = w->columns[1] + at,
                                        .age_s = w->columns[2] + at,
                                        .version_age_s = w->columns[3] + at,
                                        .run_length = w->columns[4] + at,
                                        .bytes_to_send = w->columns[5] + at};
}

static void evaluate(hb_policies *p, struct world *w, unsigned b) {
        struct hb_policy_pages pages = batch(w, b);

        hb_policies_predict(p, &pages, &w->guest, w->accesses, w->writes);
        pages.predicted = w->accesses;
        pages.predicted_writes = w->writes;
        hb_policies_score(p, &pages, &w->guest, &w->link, &w->accuracy, w->scores);
}

/* What a C programmer would write, libm and all. */
__attribute__((optimize("O3"), noinline)) static void plain_loop(struct world *w, unsigned b) {
        struct hb_policy_pages p = batch(w, b);
        float horizon = (float)w->guest.horizon_s, latency = (float)w->link.latency_s;
        float free = (float)w->link.free_bytes_per_s, whole = 4096 / (float)w->link.bytes_per_s + latency;

        for (uint32_t i = 0; i < p.n; i++) {
                float a = (p.read_heat[i] + p.write_heat[i]) * horizon / (p.age_s[i] / 30 + 1);
                float wr = p.write_heat[i] * horizon / (p.version_age_s[i] / 30 + 1);
                float heat = p.read_heat[i] + p.write_heat[i], clean = expf(-wr);
                float seconds = p.bytes_to_send[i] / free + latency / p.run_length[i],
                      cost = seconds / (seconds + whole);
                w->accesses[i] = a;
                w->writes[i] = wr;
                w->scores[i] = (0.3f + 0.5f * (a / (a + 1)) + 0.1f * (heat / (heat + 1))) * clean -
                               0.2f * cost - 0.6f * (1 - clean);
        }
}

/* Best of ROUNDS, nanoseconds a page. NULL policies: the plain loop. */
static double measure(hb_policies *p, struct world *w, unsigned batches) {
        double best = 1e9;

        for (int r = 0; r < ROUNDS; r++) {
                uint64_t t0 = hb_now_ns();
                for (unsigned i = 0; i < batches; i++) {
                        if (p)
                                evaluate(p, w, i % BATCHES);
                        else
                                plain_loop(w, i % BATCHES);
                }
                best = fmin(best, (double)(hb_now_ns() - t0) / batches / HB_POLICY_BATCH);
        }
        return best;
}

static double threshold_ns(hb_policies *p, struct world *w) {
        uint32_t histogram[HB_POLICY_BUCKETS] = {0};
        uint64_t t0 = hb_now_ns();
        double cut = 0;

        for (int i = 0; i < 10000; i++)
                cut = hb_policies_threshold(p, histogram, &w->guest, &w->link, &w->accuracy, cut);
        return (double)(hb_now_ns() - t0) / 10000;
}

static bool fill(struct world *w) {
        static const float top[COLUMNS] = {3, 1, 120, 300, 64, 4200};
        size_t n = (size_t)BATCHES * HB_POLICY_BATCH;
        uint32_t x = 1;

        for (unsigned k = 0; k < COLUMNS; k++) {
                w->columns[k] = malloc(n * sizeof(float));
                if (!w->columns[k])
                        return false;
                for (size_t i = 0; i < n; i++) {
                        x = x * 1664525u + 1013904223u;
                        w->columns[k][i] = 1 + (float)(x >> 8) * 0x1p-24f * top[k];
                }
        }
        w->accesses = malloc(3 * HB_POLICY_BATCH * sizeof(float));
        if (!w->accesses)
                return false;
        w->writes = w->accesses + HB_POLICY_BATCH;
        w->scores = w->writes + HB_POLICY_BATCH;
        w->guest = (struct hb_policy_guest){.horizon_s = 10, .epoch_s = 1, .dirty_bytes_per_s = 1e7};
        w->link = (struct hb_policy_link){1e-4, 1.25e8, 1e8, 0.2, 0};
        w->accuracy = (struct hb_policy_accuracy){.precision = -1, .recall = -1, .wasted_share = -1};
        return true;
}

static hb_policies *open_policies(const char *const names[HB_POLICY_KINDS]) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies"};
        struct hb_err e;
        hb_policies *p;
        char line[1024];

        memcpy(o.names, names, sizeof o.names);
        if (hb_policies_new(&o, &p, &e) == 0)
                return p;
        fprintf(stderr, "%s\n", hb_err_line(&e, line, sizeof line));
        return NULL;
}

static void print_json(double lua, double builtin, double plain, double call_ns) {
        printf("{\"pages_per_s\": %.0f, \"ns_per_page\": %.3f, \"ratio_to_c\": %.3f, "
               "\"builtin_pages_per_s\": %.0f, "
               "\"c_pages_per_s\": %.0f, \"c_ns_per_page\": %.3f, \"threshold_call_us\": %.2f}\n",
               1e9 / lua, lua, lua / plain, 1e9 / builtin, 1e9 / plain, plain, call_ns / 1e3);
}

static void print_table(double lua, double builtin, double plain, double call_ns) {
        printf("default policies, predictor and scorer, batches of 65536, one core\n"
               "  Lua          %7.1f M pages/s  %6.2f ns a page  %.2f x the plain loop\n"
               "  built-in     %7.1f M pages/s  %6.2f ns a page\n"
               "  plain C loop %7.1f M pages/s  %6.2f ns a page\n"
               "  threshold    %7.1f us a call\n",
               1e3 / lua, lua, lua / plain, 1e3 / builtin, builtin, 1e3 / plain, plain, call_ns / 1e3);
}

int main(int argc, char **argv) {
        static const char *const shipped[HB_POLICY_KINDS] = {"ewma", "cost_benefit", "adaptive"},
                                 *const none[HB_POLICY_KINDS];
        bool json = argc > 1 && !strcmp(argv[1], "--json");
        const char *count = argc > 1 + json ? argv[1 + json] : "16777216";
        unsigned batches = (unsigned)(strtoul(count, NULL, 10) / HB_POLICY_BATCH);
        struct hb_policy_status status;
        hb_policies *lua = open_policies(shipped), *builtin = open_policies(none);
        struct world w;

        if (!lua || !builtin || !fill(&w) || !batches)
                return 1;
        (json ? print_json : print_table)(measure(lua, &w, batches), measure(builtin, &w, batches),
                                          measure(NULL, &w, batches), threshold_ns(lua, &w));
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                hb_policies_status(lua, (enum hb_policy_kind)k, &status);
                if (status.errors || status.quarantined) {
                        fprintf(stderr, "%s failed: %s\n", status.name, status.last_error);
                        return 1;
                }
        }
        hb_policies_free(lua);
        hb_policies_free(builtin);
        for (unsigned k = 0; k < COLUMNS; k++)
                free(w.columns[k]);
        free(w.accesses);
        return 0;
}
