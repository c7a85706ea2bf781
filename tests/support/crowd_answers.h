/* crowd_answers: what a daemon that never was answers, made from its newest tick and, in a scene, from what
 * the scene's file says. Answers are looked up as "cmd:object", then as "cmd"; an answer {"error":{...}} is a
 * failure. What no file answers is made up from the tick, and fits it. */
#pragma once
#include "base/splitmix.h"
#include "control/ctl.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static inline const char *crowd_text(const json_t *o, const char *key) {
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

/* The object that a request is about. */
static inline const char *crowd_about(const json_t *args) {
        static const char *const keys[] = {"guest", "policy", "kind", "a", "op"};

        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (json_is_string(json_object_get(args, keys[i])))
                        return crowd_text(args, keys[i]);
        return "";
}

static inline json_t *crowd_find(const json_t *tick, const char *list, const char *key, const char *name) {
        json_t *a = json_object_get(tick, list), *o;
        size_t i;

        json_array_foreach(a, i, o) {
                if (strcmp(crowd_text(o, key), name) == 0)
                        return o;
        }
        return NULL;
}

static inline json_t *crowd_scenes(const json_t *answers, const char *cmd, const json_t *args) {
        bool go = strcmp(cmd, "migrate") == 0 && !json_is_true(json_object_get(args, "dry_run"));
        char key[192];
        json_t *found;

        snprintf(key, sizeof(key), "%s%s:%s", cmd, go ? ".go" : "", crowd_about(args));
        found = json_object_get(answers, key);
        return found || go ? found : json_object_get(answers, cmd);
}

/* ---- guest.map ---- */

/* How hot a page is, 0..1: a few hot regions that move slowly, the same for everybody who asks. */
static inline double crowd_heat(uint64_t block, uint64_t salt) {
        uint64_t state = (block / 7) * 0x9E3779B97F4A7C15ull ^ salt;
        double wide = (double)(hb_splitmix64(&state) >> 11) / 9007199254740992.0;

        state = block * 0xD1B54A32D192ED03ull ^ salt;
        return pow(wide, 4) * (0.5 + 0.5 * (double)(hb_splitmix64(&state) >> 11) / 9007199254740992.0);
}

static inline double crowd_share(const json_t *counts, const char *key) {
        double all = json_number_value(json_object_get(counts, "resident_pages"));

        return all > 0 ? json_number_value(json_object_get(counts, key)) / all : 0;
}

struct crowd_map {
        const json_t *counts;
        double ram, resident; /* pages; share of them that is resident */
        uint64_t salt, first, span, cell;
        unsigned cells;
};

static inline void crowd_map_cell(const struct crowd_map *m, uint64_t at, uint64_t pages, json_t *planes) {
        uint64_t block = at / 512;
        double heat = crowd_heat(block, m->salt), n = (double)pages;
        double here = (double)block / (m->ram / 512) < m->resident ? n : 0; /* what is used lies low */
        double stale = fmin(here, here * crowd_share(m->counts, "stale_pages") * 4 * heat);
        double absent = block % 3 ? fmin(here - stale, here * crowd_share(m->counts, "absent_pages")) : 0;
        struct {
                const char *name;
                double value;
        } v[] = {{"reads", 900 * heat * n},
                 {"writes", 300 * heat * heat * n},
                 {"expected", 700 * heat * n},
                 {"resident", here},
                 {"stale", floor(stale)},
                 {"absent", floor(absent)},
                 {"fetching", 0},
                 {"known", 0},
                 {"spilled", 0},
                 {"fresh", m->counts ? here - floor(stale) - floor(absent) : 0}};

        for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++)
                json_array_append_new(json_object_get(planes, v[i].name),
                                      i < 3 ? json_real(here > 0 ? v[i].value : 0)
                                            : json_integer((json_int_t)v[i].value));
}

static inline json_t *crowd_map_top(const struct crowd_map *m) {
        json_t *top = json_array();

        for (uint64_t b = m->first / 512; b < (m->first + m->span) / 512 && json_array_size(top) < 16; b++) {
                double heat = crowd_heat(b, m->salt);

                if (heat > 0.5 && (double)b / (m->ram / 512) < m->resident)
                        json_array_append_new(top,
                                              json_pack("{s:I,s:i,s:f,s:f}", "first", (json_int_t)(b * 512),
                                                        "pages", 512, "reads", 900 * heat * 512, "writes",
                                                        300 * heat * heat * 512));
        }
        return top;
}

static inline uint64_t crowd_number(const json_t *args, const char *key, uint64_t otherwise) {
        const json_t *v = json_object_get(args, key);

        return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : otherwise;
}

static inline json_t *crowd_map(const json_t *tick, const json_t *args, struct hb_err *e) {
        static const char *const planes[] = {"reads",  "writes",   "resident", "fresh", "stale",
                                             "absent", "fetching", "expected", "known", "spilled"};
        const char *name = crowd_text(args, "guest");
        const json_t *g = crowd_find(tick, "guests", "name", name);
        const json_t *in = crowd_find(tick, "incoming", "guest", name);
        const json_t *counts = g ? json_object_get(g, "placement") : in;
        struct crowd_map m = {.counts = json_is_object(counts) ? counts : NULL, .salt = strlen(name)};
        json_t *p = json_object();
        uint64_t pages;

        if (!g && !in) {
                json_decref(p);
                hb_err_set(e, -ENOENT, name, "harbinger status", "no such guest");
                return NULL;
        }
        pages = g ? (uint64_t)(json_number_value(json_object_get(g, "ram_bytes")) / 4096)
                  : (uint64_t)(json_number_value(json_object_get(in, "resident_pages")) * 2);
        m.ram = (double)pages;
        m.resident = g ? json_number_value(json_object_get(g, "resident_bytes")) / 4096 / m.ram : 0.5;
        for (const char *c = name; *c; c++)
                m.salt = m.salt * 31 + (unsigned char)*c;
        m.first = crowd_number(args, "first", 0);
        m.first = m.first < pages ? m.first : 0;
        m.span = crowd_number(args, "pages", pages);
        m.span = m.span && m.span < pages - m.first ? m.span : pages - m.first;
        m.cells = (unsigned)crowd_number(args, "cells", 1024);
        m.cells = m.cells < 1 ? 1 : m.cells > 4096 ? 4096 : m.cells;
        m.cell = (m.span + m.cells - 1) / m.cells;
        for (unsigned i = 0; i < sizeof(planes) / sizeof(planes[0]); i++)
                json_object_set_new(p, planes[i], json_array());
        for (uint64_t at = m.first; at < m.first + m.span; at += m.cell)
                crowd_map_cell(&m, at, m.first + m.span - at < m.cell ? m.first + m.span - at : m.cell, p);
        m.cells = (unsigned)json_array_size(json_object_get(p, "reads"));
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:i,s:i,s:o,s:o,s:[{s:s,s:i,s:I}]}", "guest", name, "side",
                         g ? "source" : "target", "pages", (json_int_t)pages, "first", (json_int_t)m.first,
                         "span", (json_int_t)m.span, "cell_pages", (json_int_t)m.cell, "cells", (int)m.cells,
                         "sampled", m.span > 262144 ? (int)(m.span / 262144) : 1, "planes", p, "top",
                         crowd_map_top(&m), "regions", "name", "ram", "first", 0, "pages", (json_int_t)pages);
}

/* ---- the rest ---- */

/* One guest's scores, as `status guest=X` has them: falling to the right, more of it below the cut. */
static inline json_t *crowd_scores(const json_t *in) {
        double candidates = json_number_value(json_object_get(in, "stale_pages")) +
                            json_number_value(json_object_get(in, "absent_pages"));
        json_t *buckets = json_array();

        for (int i = 0; i < 64; i++) {
                double x = (i - 36) / 9.0;

                json_array_append_new(buckets,
                                      json_integer((json_int_t)(candidates * 0.044 * exp(-x * x / 2))));
        }
        return json_pack("{s:i,s:i,s:o,s:O}", "low", -1, "high", 1, "buckets", buckets, "cut",
                         json_object_get(in, "threshold") ? json_object_get(in, "threshold") : json_null());
}

static inline void crowd_keep_one(json_t *status, const char *list, const char *key, const char *name) {
        json_t *kept = json_array(), *o = crowd_find(status, list, key, name);

        if (o)
                json_array_append(kept, o);
        json_object_set_new(status, list, kept);
}

static inline json_t *crowd_status(const json_t *tick, const json_t *args) {
        static const char *const not_there[] = {"seq",     "time",  "cost", "events", "events_skipped",
                                                "process", "memory"};
        json_t *status = json_deep_copy(tick), *o;
        const char *name = crowd_text(args, "guest");
        size_t i;

        for (i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
                json_object_del(status, not_there[i]);
        if (!name[0])
                return status;
        crowd_keep_one(status, "guests", "name", name);
        crowd_keep_one(status, "incoming", "guest", name);
        crowd_keep_one(status, "handovers", "guest", name);
        json_array_foreach(json_object_get(status, "incoming"), i, o) {
                json_object_set_new(o, "scores", crowd_scores(o));
        }
        return status;
}

static inline json_t *crowd_dry(const json_t *tick, const json_t *args, struct hb_err *e) {
        const json_t *g = crowd_find(tick, "guests", "name", crowd_text(args, "guest"));
        json_t *p = json_object_get(g, "placement"), *est = json_object_get(p, "estimate");
        double down = json_number_value(json_object_get(est, "downtime_ms"));

        if (!g) {
                hb_err_set(e, -ENOENT, crowd_text(args, "guest"), "harbinger status",
                           "no such guest runs here");
                return NULL;
        }
        return json_pack("{s:s,s:s,s:s,s:b,s:O,s:s,s:O,s:f,s:b}", "guest", crowd_text(g, "name"), "from",
                         crowd_text(tick, "host"), "to", crowd_text(args, "host"), "ready",
                         strcmp(crowd_text(p, "state"), "ready") == 0, "can_move",
                         json_object_get(g, "can_move"), "why", crowd_text(g, "cannot_move"), "estimate",
                         est ? est : json_null(), "max_downtime_ms", 300.0, "would_refuse",
                         !est || down > 300);
}

static inline json_t *crowd_moved_json(const json_t *tick, const json_t *args) {
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:f,s:f,s:i,s:i,s:i,s:{s:i,s:i,s:f,s:i},s:{s:i,s:i,s:i,s:i}}",
                         "handover", "00000000000000000000000000000001", "guest", crowd_text(args, "guest"),
                         "from", crowd_text(tick, "host"), "to", crowd_text(args, "host"), "result", "done",
                         "downtime_ms", 32.1, "total_ms", 1840.2, "bytes_after", 3145728, "pages_final", 1536,
                         "nonzero_bytes", 2013265920, "placement", "bytes", 901775360, "pages", 483328,
                         "seconds", 61.2, "summary_bytes", 262144, "outcome", "hit", 471040, "late", 512,
                         "stale", 1024, "wasted", 6144);
}

static inline json_t *crowd_policies(void) {
        return json_loads(
                "{\"dir\":\"/etc/harbinger/policies\",\"kinds\":["
                "{\"kind\":\"predictor\",\"configured\":\"ewma\",\"promoted\":false,\"since\":\"2025-11-"
                "24T09:00:00Z\","
                "\"canary\":null,\"active\":{\"name\":\"ewma\",\"version\":\"1.1.0\",\"hash\":\"3fa91c07\","
                "\"number\":1,"
                "\"guests\":[],\"calls\":9000,\"errors\":0,\"pages\":900000,\"ns_per_page\":21,\"max_ms\":0."
                "3,"
                "\"starved\":0,\"memory_bytes\":49152,\"quarantined\":[],\"answering\":\"\",\"note\":\"\","
                "\"last_error\":\"\"},\"shadow\":null,\"previous\":null,\"candidates\":["
                "{\"name\":\"ewma\",\"hash\":\"3fa91c07\",\"place\":\"active\"}],\"trouble\":null}],"
                "\"guests\":[]}",
                0, NULL);
}

/* New reference; NULL: failed, as *e says. */
static inline json_t *crowd_made_up(const json_t *tick, const char *cmd, const json_t *args,
                                    struct hb_err *e) {
        json_t *list = json_object_get(tick, strcmp(cmd, "guest.list") == 0 ? "guests" : "recordings");

        if (strcmp(cmd, "status") == 0)
                return crowd_status(tick, args);
        if (strcmp(cmd, "guest.map") == 0)
                return crowd_map(tick, args, e);
        if (strcmp(cmd, "guest.list") == 0)
                return json_pack("{s:O}", "guests", list);
        if (strcmp(cmd, "trace.list") == 0)
                return json_pack("{s:O}", "recordings", list ? list : json_null());
        if (strcmp(cmd, "policy.list") == 0)
                return crowd_policies();
        if (strcmp(cmd, "policy.history") == 0)
                return json_pack("{s:[]}", "events");
        if (strcmp(cmd, "history") == 0)
                return json_pack("{s:[]}", "entries");
        if (strcmp(cmd, "doctor") == 0)
                return json_pack("{s:[{s:s,s:s,s:s,s:s}]}", "checks", "name", "crowd", "ok", "ok", "detail",
                                 "made up", "next", "");
        if (strcmp(cmd, "migrate") == 0 && json_is_true(json_object_get(args, "dry_run")))
                return crowd_dry(tick, args, e);
        if (strcmp(cmd, "migrate") == 0)
                return crowd_moved_json(tick, args);
        if (strcmp(cmd, "replay") == 0 || strcmp(cmd, "kept.list") == 0) {
                hb_err_set(e, -EOPNOTSUPP, cmd, "", "there is none of that here");
                return NULL;
        }
        return json_object();
}

static inline json_t *crowd_answer(const json_t *answers, const json_t *tick, const char *cmd,
                                   const json_t *args, struct hb_err *e) {
        json_t *found = crowd_scenes(answers, cmd, args), *error = json_object_get(found, "error");

        if (!found)
                return crowd_made_up(tick, cmd, args, e);
        if (!error || json_object_size(found) != 1)
                return json_incref(found);
        hb_ctl_error_from(error, e);
        return NULL;
}

/* ---- before the scene ---- */

/* The tick as it might have been `ago` seconds before: rates swing, fresh pages are still to come. */
static inline json_t *crowd_earlier(const json_t *tick, unsigned ago) {
        json_t *t = json_deep_copy(tick), *g;
        size_t i;

        json_object_set_new(t, "seq",
                            json_integer(json_integer_value(json_object_get(tick, "seq")) - (json_int_t)ago));
        json_object_set_new(t, "time", json_real(json_number_value(json_object_get(tick, "time")) - ago));
        json_object_set_new(t, "events", json_array());
        json_array_foreach(json_object_get(t, "guests"), i, g) {
                json_t *p = json_object_get(g, "placement");
                double swing = 1 + 0.3 * sin((ago + 3.0 * (double)i) / 5.0);
                double resident = json_number_value(json_object_get(p, "resident_pages"));
                double fresh = json_number_value(json_object_get(p, "fresh_pages"));
                double later = fmin(fresh, resident * 0.004 * ago);

                json_object_set_new(
                        g, "dirty_bytes_per_s",
                        json_real(swing * json_number_value(json_object_get(g, "dirty_bytes_per_s"))));
                if (!json_is_object(p) || strcmp(crowd_text(p, "trend"), "stalled") == 0)
                        continue;
                json_object_set_new(p, "fresh_pages", json_integer((json_int_t)(fresh - later)));
                json_object_set_new(p, "absent_pages",
                                    json_integer(json_integer_value(json_object_get(p, "absent_pages")) +
                                                 (json_int_t)later));
        }
        return t;
}
