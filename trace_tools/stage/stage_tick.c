/* stage_tick: a host as a whole: the tick that its viewers get each second, and `status`. The other host is
 * its only peer. Reads only. */
#include "stage/stage_priv.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- this process ---- */

static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t rss_bytes(void) {
        unsigned long all, resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (f && fscanf(f, "%lu %lu", &all, &resident) != 2)
                resident = 0;
        if (f)
                fclose(f);
        return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static json_t *process_json(hb_stage *s, uint64_t mono_ns) {
        uint64_t cpu = cpu_ns();

        if (mono_ns > s->cpu_mono_ns + HB_NS_PER_S / 2) {
                s->cpu_share = (double)(cpu - s->cpu_ns) / (double)(mono_ns - s->cpu_mono_ns);
                s->cpu_ns = cpu;
                s->cpu_mono_ns = mono_ns;
        }
        return json_pack("{s:f,s:I}", "cpu_share", s->cpu_share, "rss_bytes", (json_int_t)rss_bytes());
}

/* ---- the other host ---- */

struct seen { /* of all placements between the two */
        unsigned out, in;
        uint64_t wire, bytes;
        struct hb_policy_link link;
        double used;
};

static void look(const struct hb_stage_host *h, struct seen *x) {
        const hb_stage *s = h->stage;

        for (unsigned i = 0; i < s->nguests; i++) {
                const struct hb_stage_guest *g = &s->guests[i];
                struct hb_engine_stats st;
                struct hb_policy_link l;

                if (!hb_stage_placed(g))
                        continue;
                x->out += g->home == h->side;
                x->in += g->home != h->side;
                hb_engine_stats(hb_replay_engine(g->replay), &st);
                x->wire += st.wire_bytes;
                x->bytes += st.fetched_bytes;
                hb_replay_link(g->replay, &l);
                x->used = l.used_share > x->used ? l.used_share : x->used;
                if (l.bytes_per_s >= x->link.bytes_per_s)
                        x->link = l;
        }
}

json_t *hb_stage_hosts_json(const struct hb_stage_host *h) {
        struct hb_stage_host *other = hb_stage_other((struct hb_stage_host *)h);
        bool exact = h->stage->guests[0].exact;
        struct seen x = {0};
        json_t *j;

        look(h, &x);
        j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:i}", "name", hb_stage_host_name(other->side), "address",
                      exact ? "recorded" : "simulated", "state", x.out + x.in ? "up" : "idle", "why", "",
                      "next", "", "placements", (int)x.out, "incoming", (int)x.in);
        json_object_update_new(
                j,
                json_pack("{s:o,s:o,s:o,s:n,s:o,s:i,s:o,s:s,s:o}", "latency_ms",
                          x.link.latency_s > 0 ? json_real(x.link.latency_s * 1e3) : json_null(),
                          "bytes_per_s", x.link.bytes_per_s > 0 ? json_real(x.link.bytes_per_s) : json_null(),
                          "used_share", x.out + x.in ? json_real(x.used) : json_null(), "cap_bytes_per_s",
                          "compression", x.wire ? json_real((double)x.bytes / (double)x.wire) : json_null(),
                          "connections", (int)(x.out + x.in), "path",
                          x.out + x.in ? json_string("tcp") : json_null(), "path_why",
                          exact ? "as it was recorded" : "the link is simulated", "wire_bytes",
                          json_integer((json_int_t)x.wire)));
        return json_pack("[o]", j);
}

json_t *hb_stage_handovers_json(const struct hb_stage_host *h, const char *only) {
        hb_stage *s = h->stage;
        json_t *a = json_array();

        for (unsigned i = 0; i < s->nguests; i++)
                if (s->guests[i].move.active && (!only || strcmp(only, s->guests[i].name) == 0))
                        json_array_append_new(
                                a, hb_stage_handover_json(&s->guests[i], s->guests[i].move.from == h->side));
        return a;
}

/* ---- the whole ---- */

static double uptime(const hb_stage *s, uint64_t mono_ns) {
        return (double)(mono_ns - s->began_mono_ns) / 1e9;
}

void hb_stage_snapshot(void *host, uint64_t mono_ns, struct hb_json_out *o) {
        struct hb_stage_host *h = host;
        hb_stage *s = h->stage;

        hb_json_str(o, "host", hb_stage_host_name(h->side));
        hb_json_str(o, "version", HB_VERSION);
        hb_json_real(o, "uptime_s", uptime(s, mono_ns));
        hb_json_tree(o, "process", process_json(s, mono_ns));
        hb_json_tree(o, "memory", json_pack("{s:n,s:n}", "total_bytes", "available_bytes"));
        hb_json_tree(o, "guests", hb_stage_guests_json(h, NULL, false));
        hb_json_tree(o, "incoming", hb_stage_incomings_json(h, NULL, false));
        hb_json_tree(o, "handovers", hb_stage_handovers_json(h, NULL));
        hb_json_tree(o, "hosts", hb_stage_hosts_json(h));
        hb_json_tree(o, "policies", hb_stage_policies_json(h));
        hb_json_tree(o, "recordings", json_array());
        hb_json_tree(o, "replay", hb_stage_replay_json(s));
        hb_json_null(o, "left_out");
}

json_t *hb_stage_status_json(struct hb_stage_host *h, const char *only) {
        return json_pack("{s:s,s:s,s:f,s:o,s:o,s:o,s:o,s:o,s:n,s:n,s:o}", "host", hb_stage_host_name(h->side),
                         "version", HB_VERSION, "uptime_s", uptime(h->stage, hb_now_ns()), "guests",
                         hb_stage_guests_json(h, only, true), "incoming",
                         hb_stage_incomings_json(h, only, true), "handovers",
                         hb_stage_handovers_json(h, only), "hosts", hb_stage_hosts_json(h), "policies",
                         hb_stage_policies_json(h), "hardware", "duplicates", "replay",
                         hb_stage_replay_json(h->stage));
}
