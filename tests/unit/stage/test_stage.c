/* A stage seen through its sockets: what ticks hold, the clock, what is refused, how it begins and ends. */
#include "base/fault.h"
#include "stage_rig.h"

static const struct hb_stage_options still = {.speed = 1, .paused = true, .migrate_at_s = -1};

/* ---- ticks ---- */

static const char *const tick_members[] = {
        "seq",       "time",  "host",     "version",    "uptime_s", "process", "memory", "guests", "incoming",
        "handovers", "hosts", "policies", "recordings", "replay",   "events",  "cost",   NULL};
static const char *const placement_members[] = {"id",
                                                "to",
                                                "state",
                                                "since_s",
                                                "pages",
                                                "fresh_pages",
                                                "stale_pages",
                                                "absent_pages",
                                                "resident_pages",
                                                "fetching_pages",
                                                "zero_pages",
                                                "known_pages",
                                                "copied_pages",
                                                "above_threshold",
                                                "threshold",
                                                "precision",
                                                "rate_bytes_per_s",
                                                "dirty_bytes_per_s",
                                                "bytes",
                                                "wire_bytes",
                                                "wasted_pages",
                                                "bytes_by_kind",
                                                "path",
                                                "link",
                                                "estimate",
                                                "trend",
                                                "trend_since_s",
                                                "error",
                                                NULL};
static const char *const guest_members[] = {"name",           "kind",
                                            "state",          "vmm",
                                            "tracker",        "ram_bytes",
                                            "resident_bytes", "epoch",
                                            "epoch_ms",       "dirty_bytes_per_s",
                                            "scan_ms",        "guest_cost_share",
                                            "can_move",       "cannot_move",
                                            "recording",      "handover",
                                            "placement",      NULL};
static const char *const incoming_members[] = {"id",
                                               "guest",
                                               "from",
                                               "state",
                                               "fresh_pages",
                                               "stale_pages",
                                               "absent_pages",
                                               "fetching_pages",
                                               "resident_pages",
                                               "zero_pages",
                                               "pages",
                                               "wire_bytes",
                                               "wasted_pages",
                                               "known_pages",
                                               "copied_pages",
                                               "threshold",
                                               "precision",
                                               "recall",
                                               "above_threshold",
                                               "no_room",
                                               "spill",
                                               "paths",
                                               NULL};
static const char *const peer_members[] = {"name",        "address",    "state",           "why",
                                           "next",        "placements", "incoming",        "latency_ms",
                                           "bytes_per_s", "used_share", "cap_bytes_per_s", "compression",
                                           "connections", "path",       "path_why",        "wire_bytes",
                                           NULL};

static void has_all(const json_t *j, const char *const *members) {
        for (unsigned i = 0; members[i]; i++)
                if (!json_object_get(j, members[i]))
                        fail_msg("no member %s", members[i]);
}

static void adds_up(const json_t *j) {
        double sum = rig_number(j, "fresh_pages") + rig_number(j, "stale_pages") +
                     rig_number(j, "absent_pages") + rig_number(j, "fetching_pages");

        assert_true(sum == rig_number(j, "resident_pages"));
}

struct ticks {
        unsigned n, wanted;
        int wake; /* written to when there were enough */
        json_t *last;
        double seq;
};

static void on_tick(void *arg, const json_t *p) {
        struct ticks *t = arg;

        assert_true(rig_number(p, "seq") > t->seq);
        t->seq = rig_number(p, "seq");
        json_decref(t->last);
        t->last = json_deep_copy(p);
        if (++t->n == t->wanted)
                assert_int_equal(write(t->wake, "x", 1), 1);
}

/* Watches until so many ticks came; the newest of them. */
static json_t *watch(hb_ctl_client *c, unsigned ticks) {
        struct ticks t = {.wanted = ticks};
        struct hb_err e;
        json_t *none;
        int wake[2];

        assert_int_equal(pipe(wake), 0);
        t.wake = wake[1];
        hb_ctl_interrupt_on(c, wake[0]);
        assert_int_equal(hb_ctl_call(c, "watch", NULL, 20000, on_tick, &t, &none, &e), -EINTR);
        hb_ctl_interrupt_on(c, -1);
        close(wake[0]);
        close(wake[1]);
        return t.last;
}

static void test_ticks_hold_what_they_must(void **state) {
        const char *const traces[] = {rig_synth("t1.hbt", HB_SYNTH_MIX, 5000, 40),
                                      rig_synth("t2.hbt", HB_SYNTH_HOT, 3000, 40), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *a, *b;

        o.traces = traces;
        rig_start(&r, &o);
        rig_seek(&r, 20);
        a = watch(r.a, 1);
        b = watch(r.b, 1);
        has_all(a, tick_members);
        has_all(b, tick_members);
        assert_string_equal(rig_text(a, "host"), "a");
        assert_string_equal(rig_text(b, "host"), "b");
        assert_int_equal(json_array_size(rig_at(a, "guests")), 2);
        assert_int_equal(json_array_size(rig_at(a, "incoming")), 0);
        assert_int_equal(json_array_size(rig_at(b, "guests")), 0);
        assert_int_equal(json_array_size(rig_at(b, "incoming")), 2);
        assert_string_not_equal(rig_text(a, "guests.0.name"), rig_text(a, "guests.1.name"));
        for (unsigned i = 0; i < 2; i++) {
                char path[40];

                snprintf(path, sizeof(path), "guests.%u", i);
                has_all(rig_at(a, path), guest_members);
                snprintf(path, sizeof(path), "guests.%u.placement", i);
                has_all(rig_at(a, path), placement_members);
                adds_up(rig_at(a, path));
                snprintf(path, sizeof(path), "incoming.%u", i);
                has_all(rig_at(b, path), incoming_members);
                adds_up(rig_at(b, path));
        }
        assert_string_equal(rig_text(a, "guests.0.placement.id"), rig_text(b, "incoming.0.id"));
        assert_true(rig_number(a, "guests.0.placement.fresh_pages") ==
                    rig_number(b, "incoming.0.fresh_pages"));
        assert_true(rig_number(a, "guests.0.placement.fresh_pages") > 0);
        has_all(rig_at(a, "hosts.0"), peer_members);
        assert_string_equal(rig_text(a, "hosts.0.name"), "b");
        assert_string_equal(rig_text(a, "hosts.0.state"), "up");
        assert_true(rig_number(a, "hosts.0.placements") == 2 && rig_number(b, "hosts.0.incoming") == 2);
        assert_string_equal(rig_text(a, "replay.state"), "paused");
        assert_true(rig_number(a, "replay.time_s") == 20 && rig_number(a, "replay.seconds") == 40);
        assert_true(rig_number(a, "replay.epoch") == 20 && rig_number(a, "replay.epochs") == 40);
        assert_true(json_array_size(rig_at(a, "events")) > 0);
        assert_true(rig_number(a, "uptime_s") >= 0 && rig_number(a, "process.rss_bytes") > 1e6);
        json_decref(a);
        json_decref(b);
        rig_stop(&r);
}

/* What changes is told at once, not with the next second. */
static void test_viewers_are_told_at_once(void **state) {
        const char *const traces[] = {rig_synth("two.hbt", HB_SYNTH_HOT, 2000, 30), NULL};
        struct hb_stage_options o = still;
        hb_ctl_client *second;
        json_t *one, *other;
        struct rig r;

        o.traces = traces;
        o.paused = false;
        o.speed = 20;
        rig_start(&r, &o);
        second = rig_client(&r, "a");
        one = watch(r.a, 2); /* from there on it also watches: nobody stops it but the connection's end */
        other = watch(second, 1);
        assert_true(rig_number(other, "cost.viewers") == 1);
        json_decref(one);
        json_decref(other);
        json_decref(rig_replay(&r, "pause", 0));
        one = watch(second, 1);
        json_decref(one);
        hb_ctl_close(second);
        rig_stop(&r);
}

/* ---- the clock ---- */

static void test_a_moment_is_the_same_however_it_was_reached(void **state) {
        const char *const traces[] = {rig_synth("seek.hbt", HB_SYNTH_MIX, 5000, 60), NULL};
        struct hb_stage_options o = still;
        char first[17], now[17];
        struct rig r;
        json_t *j;

        o.traces = traces;
        rig_start(&r, &o);
        for (unsigned i = 0; i < 12; i++)
                json_decref(rig_replay(&r, "step", 1));
        rig_digest(&r, first);
        rig_seek(&r, 45);
        rig_digest(&r, now);
        assert_string_not_equal(now, first);
        rig_seek(&r, 12); /* back: from the begin */
        rig_digest(&r, now);
        assert_string_equal(now, first);
        json_decref(rig_replay(&r, "step", 3));
        j = rig_replay(&r, "step", -3);
        assert_true(rig_number(j, "time_s") == 12 && rig_number(j, "epoch") == 12);
        json_decref(j);
        rig_digest(&r, now);
        assert_string_equal(now, first);
        json_decref(rig_replay(&r, "seek", 0));
        json_decref(rig_replay(&r, "speed", 200)); /* played there, in however many turns */
        json_decref(rig_replay(&r, "play", 0));
        do {
                j = rig_ask(r.b, "status", NULL, NULL);
                if (json_array_size(rig_at(j, "incoming")) && rig_number(j, "replay.time_s") >= 12)
                        break;
                json_decref(j);
        } while (true);
        json_decref(j);
        json_decref(rig_replay(&r, "pause", 0));
        json_decref(rig_replay(&r, "seek", 12));
        rig_digest(&r, now);
        assert_string_equal(now, first);
        rig_stop(&r);
}

static void test_at_the_end_it_stands_still(void **state) {
        const char *const traces[] = {rig_synth("end.hbt", HB_SYNTH_HOT, 1000, 10), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *j;

        o.traces = traces;
        rig_start(&r, &o);
        j = rig_replay(&r, "seek", 1e6); /* beyond it */
        assert_true(rig_number(j, "time_s") == 10);
        json_decref(j);
        j = rig_replay(&r, "play", 0); /* from the begin */
        assert_true(rig_number(j, "time_s") < 10);
        assert_string_equal(rig_text(j, "state"), "playing");
        json_decref(j);
        rig_stop(&r);
}

static void test_what_makes_no_sense_is_refused(void **state) {
        const char *const traces[] = {rig_synth("no.hbt", HB_SYNTH_HOT, 1000, 10), NULL};
        struct hb_stage_options o = still;
        struct rig r;

        o.traces = traces;
        rig_start(&r, &o);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s}", "op", "rewind")), -EINVAL);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s}", "op", "seek")), -EINVAL);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s,s:f}", "op", "seek", "value", -1.0)),
                         -EINVAL);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s,s:f}", "op", "speed", "value", 0.0)),
                         -ERANGE);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s,s:f}", "op", "speed", "value", 1e4)),
                         -ERANGE);
        assert_int_equal(rig_refused(r.a, "replay", json_pack("{s:s,s:f}", "op", "step", "value", 0.5)),
                         -EINVAL);
        assert_int_equal(rig_refused(r.a, "watch", json_pack("{s:i}", "every", 0)), -ERANGE);
        assert_int_equal(rig_refused(r.a, "reload", NULL), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.a, "trace.record", json_pack("{s:s}", "guest", "synth")), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.a, "guest.attach", json_pack("{s:s}", "name", "x")), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.a, "image.info", json_pack("{s:s}", "guest", "x")), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.a, "status", json_pack("{s:s}", "guest", "nobody")), -ENOENT);
        assert_int_equal(rig_refused(r.b, "guest.map", json_pack("{s:s}", "guest", "nobody")), -ENOENT);
        rig_stop(&r);
}

/* Every command of the language has an answer or a reason. */
static void test_no_command_is_left_without_a_word(void **state) {
        const char *const traces[] = {rig_synth("all.hbt", HB_SYNTH_HOT, 1000, 10), NULL};
        struct hb_stage_options o = still;
        const struct hb_ctl_command *c;
        struct rig r;
        size_t n;

        o.traces = traces;
        rig_start(&r, &o);
        c = hb_ctl_commands(&n);
        for (size_t i = 0; i < n; i++) {
                json_t *args = json_object();

                if (strcmp(c[i].name, "watch") == 0) {
                        json_decref(args);
                        continue;
                }
                for (unsigned k = 0; k < 8 && c[i].args[k].name; k++)
                        if (c[i].args[k].required)
                                json_object_set_new(args, c[i].args[k].name,
                                                    c[i].args[k].type == HB_ARG_STRING ? json_string("x")
                                                                                       : json_integer(1));
                rig_refused(r.b, c[i].name, args);
        }
        rig_stop(&r);
}

/* ---- the pages ---- */

static double sum_of(const json_t *map, const char *plane) {
        char path[40];
        double sum = 0;
        const json_t *a;

        snprintf(path, sizeof(path), "planes.%s", plane);
        a = rig_at(map, path);
        for (size_t i = 0; i < json_array_size(a); i++)
                sum += json_number_value(json_array_get(a, i));
        return sum;
}

static void test_the_map_is_the_pages(void **state) {
        const char *const traces[] = {rig_synth("map.hbt", HB_SYNTH_MIX, 5000, 40), NULL};
        struct hb_stage_options o = still;
        json_t *source, *target, *part, *status;
        const char *name;
        struct rig r;

        o.traces = traces;
        rig_start(&r, &o);
        rig_seek(&r, 35);
        status = rig_ask(r.b, "status", NULL, NULL);
        name = rig_text(status, "incoming.0.guest");
        source = rig_ask(r.a, "guest.map", json_pack("{s:s,s:i}", "guest", name, "cells", 100), NULL);
        target = rig_ask(r.b, "guest.map", json_pack("{s:s,s:i}", "guest", name, "cells", 64), NULL);
        assert_string_equal(rig_text(source, "side"), "source");
        assert_string_equal(rig_text(target, "side"), "target");
        assert_true(rig_number(source, "pages") == 5000 && rig_number(source, "cell_pages") == 50);
        assert_int_equal(json_array_size(rig_at(source, "planes.reads")), 100);
        assert_true(json_is_null(rig_at(source, "planes.fresh")));
        assert_true(sum_of(source, "resident") == rig_number(status, "incoming.0.resident_pages"));
        assert_true(sum_of(target, "fresh") == rig_number(status, "incoming.0.fresh_pages"));
        assert_true(sum_of(target, "stale") == rig_number(status, "incoming.0.stale_pages"));
        assert_true(sum_of(target, "absent") == rig_number(status, "incoming.0.absent_pages"));
        assert_true(sum_of(target, "resident") == rig_number(status, "incoming.0.resident_pages"));
        assert_true(sum_of(source, "writes") > 1 && sum_of(target, "expected") > 1);
        assert_true(json_array_size(rig_at(source, "top")) > 0);
        assert_true(rig_number(source, "top.0.writes") + rig_number(source, "top.0.reads") > 0);
        assert_true(rig_number(source, "regions.0.pages") == 5000);
        part = rig_ask(
                r.b, "guest.map",
                json_pack("{s:s,s:i,s:i,s:i}", "guest", name, "first", 4990, "pages", 500, "cells", 4096),
                NULL);
        assert_true(rig_number(part, "span") == 10 && rig_number(part, "cells") == 10);
        assert_int_equal(rig_refused(r.b, "guest.map", json_pack("{s:s,s:i}", "guest", name, "first", 5000)),
                         -EINVAL);
        assert_int_equal(rig_refused(r.b, "guest.map", json_pack("{s:s,s:i}", "guest", name, "cells", 0)),
                         -EINVAL);
        json_decref(source);
        json_decref(target);
        json_decref(part);
        json_decref(status);
        rig_stop(&r);
}

/* ---- begun and ended ---- */

static int made(const char *trace, const char *dir, struct hb_err *e) {
        const char *const traces[] = {trace, NULL};
        struct hb_stage_options o = still;
        hb_stage *s = NULL;
        int rc;

        o.traces = traces;
        o.stop_fd = o.eof_fd = -1;
        rc = hb_stage_new(dir, &o, &s, e);
        hb_stage_free(s);
        return rc;
}

static void damage(const char *path) {
        FILE *f = fopen(path, "r+");

        fseek(f, -400, SEEK_END);
        fwrite("nonsense", 1, 8, f);
        fclose(f);
}

static void test_what_cannot_be_played_is_told(void **state) {
        const char *good = rig_synth("good.hbt", HB_SYNTH_MIX, 3000, 30), *dir = rig_file("x");
        const char *bad = rig_synth("bad.hbt", HB_SYNTH_MIX, 3000, 30);
        struct hb_err e = {0};
        FILE *f;

        assert_int_equal(made(rig_file("none.hbt"), dir, &e), -ENOENT);
        assert_int_equal(made(good, rig_dir, &e), -EEXIST);
        assert_true(strstr(e.what, "already") && e.next[0]);
        assert_int_equal(made(good, "/nowhere/at/all", &e), -ENOENT);
        damage(bad);
        assert_int_equal(made(bad, dir, &e), -EBADMSG);
        f = fopen(bad, "w");
        fputs("no trace at all\n", f);
        fclose(f);
        assert_true(made(bad, dir, &e) < 0);
        assert_true(made(NULL, dir, &e) < 0);
        assert_int_equal(access(dir, F_OK), -1);
        assert_int_equal(made(good, dir, &e), 0);
        assert_int_equal(access(dir, F_OK), -1);
}

static void test_every_failure_is_clean(void **state) {
        const char *path = rig_synth("fail.hbt", HB_SYNTH_HOT, 600, 8), *dir = rig_file("y");
        struct hb_err e;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int rc = made(path, dir, &e);

                assert_true(rc <= 0);
                assert_int_equal(access(dir, F_OK), -1);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ticks_hold_what_they_must),
                cmocka_unit_test(test_viewers_are_told_at_once),
                cmocka_unit_test(test_a_moment_is_the_same_however_it_was_reached),
                cmocka_unit_test(test_at_the_end_it_stands_still),
                cmocka_unit_test(test_what_makes_no_sense_is_refused),
                cmocka_unit_test(test_no_command_is_left_without_a_word),
                cmocka_unit_test(test_the_map_is_the_pages),
                cmocka_unit_test(test_what_cannot_be_played_is_told),
                cmocka_unit_test(test_every_failure_is_clean),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
