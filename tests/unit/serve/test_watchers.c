/* Viewers with real clients on a real socket: one snapshot for all of them, whoever does not read costs
 * nothing and gets the newest, and no event is lost on the way. The clock is the test's. */
#include "base/fault.h"
#include "base/log.h"
#include "clients.h"
#include "serve/watchers.h"
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define FIRST 1700000000ull /* seconds: what the ring begins to count at */

struct fixture {
        struct event_base *base;
        hb_control_server *server;
        hb_event_ring *ring;
        hb_watchers *watchers;
        char dir[40], path[64], filling[1 << 20];
        unsigned made; /* snapshots */
        size_t size;   /* of each, about */
        uint64_t now;
};

static void snapshot(void *arg, uint64_t now_ns, struct hb_json_out *o) {
        struct fixture *f = arg;

        assert_int_equal(now_ns, f->now);
        f->made++;
        hb_json_pages(o, "made", f->made);
        f->filling[f->size] = '\0';
        hb_json_str(o, "filling", f->filling);
        f->filling[f->size] = 'x';
}

static void handle(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        struct fixture *f = arg;
        json_t *every = json_object_get(args, "every");

        if (strcmp(cmd->name, "watch") == 0) {
                hb_watchers_add(f->watchers, r, (unsigned)json_integer_value(every), f->now);
        } else if (strcmp(cmd->name, "events") == 0) {
                hb_request_ok(r, hb_event_ring_answer(f->ring, -1, 10));
        } else {
                char text[] = "{\"text\":true}";
                hb_shared_text *t = hb_shared_text_new(strdup(text), strlen(text));

                hb_request_ok_text(r, t);
                hb_shared_text_unref(t);
        }
}

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct hb_watch_use use = {snapshot, f};
        struct hb_err e;

        signal(SIGPIPE, SIG_IGN);
        strcpy(f->dir, "/tmp/hb-watch-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->path, sizeof(f->path), "%s/control.sock", f->dir);
        memset(f->filling, 'x', sizeof(f->filling));
        f->size = 100;
        f->now = 100 * HB_NS_PER_S;
        f->base = event_base_new();
        assert_int_equal(hb_event_ring_new(HB_EVENTS_KEPT, FIRST * HB_NS_PER_S, &f->ring), 0);
        assert_int_equal(hb_watchers_new(NULL, &use, f->ring, &f->watchers), 0);
        assert_int_equal(hb_control_server_new(f->base, f->path, "", handle, f, &f->server, &e), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;
        char lock[80];

        hb_control_server_free(f->server);
        hb_watchers_free(f->watchers);
        hb_event_ring_free(f->ring);
        event_base_free(f->base);
        snprintf(lock, sizeof(lock), "%s.lock", f->path);
        unlink(lock);
        assert_int_equal(rmdir(f->dir), 0);
        free(f);
        return 0;
}

static struct conn watch(struct fixture *f, unsigned every) {
        struct conn c = dial(f->path);
        char line[80];

        pump(f->base);
        snprintf(line, sizeof(line), "{\"id\":7,\"cmd\":\"watch\",\"args\":{\"every\":%u}}\n", every);
        say(f->base, &c, line);
        return c;
}

static void tick(struct fixture *f) {
        f->now += HB_NS_PER_S;
        hb_watchers_tick(f->watchers, f->now);
}

static void happen(struct fixture *f, unsigned n, int level) {
        char text[40];

        for (unsigned i = 0; i < n; i++) {
                snprintf(text, sizeof(text), "event %u", i);
                hb_event_ring_add(f->ring, FIRST * HB_NS_PER_S, level, HB_ON_GUEST, "g", "b", text, NULL);
        }
}

/* The tick's own object; the message is checked and gone. */
static json_t *tick_of(json_t *msg) {
        json_t *p = json_incref(json_object_get(msg, "progress"));

        assert_non_null(p);
        assert_int_equal(json_integer_value(json_object_get(msg, "id")), 7);
        assert_int_equal(json_object_size(msg), 2);
        json_decref(msg);
        return p;
}

static json_int_t number(const json_t *tick_object, const char *key) {
        assert_true(json_is_integer(json_object_get(tick_object, key)));
        return json_integer_value(json_object_get(tick_object, key));
}

/* Of the next tick that comes; -1: none is there. */
static json_int_t next(struct fixture *f, struct conn *c, const char *key) {
        json_t *msg = line_now(f->base, c), *p;
        json_int_t v;

        if (!msg)
                return -1;
        p = tick_of(msg);
        v = number(p, key);
        json_decref(p);
        return v;
}

static json_int_t next_seq(struct fixture *f, struct conn *c) {
        return next(f, c, "seq");
}

/* ---- one snapshot ---- */

static void nothing_is_made_while_nobody_watches(void **state) {
        struct fixture *f = *state;
        struct conn c;

        for (int i = 0; i < 5; i++)
                tick(f);
        assert_int_equal(f->made, 0);
        c = watch(f, 1);
        assert_int_equal(next_seq(f, &c), 1);
        assert_int_equal(f->made, 1);
        hang_up(&c);
        pump(f->base);
        tick(f);
        tick(f);
        assert_int_equal(f->made, 1);
        assert_int_equal(hb_watchers_count(f->watchers), 0);
}

static void all_viewers_share_one(void **state) {
        enum { N = 40 };
        struct fixture *f = *state;
        struct conn c[N];

        for (int i = 0; i < N; i++) {
                f->now += HB_NS_PER_MS;
                c[i] = watch(f, 1);
        }
        for (int t = 1; t <= 3; t++) {
                for (int i = 0; i < N; i++)
                        assert_int_equal(next_seq(f, &c[i]), t);
                assert_int_equal(f->made, t);
                assert_int_equal(hb_watchers_count(f->watchers), N);
                tick(f);
        }
        for (int i = 0; i < N; i++)
                hang_up(&c[i]);
}

static void a_late_one_gets_the_last_snapshot_or_a_new_one(void **state) {
        struct fixture *f = *state;
        struct conn a = watch(f, 1), b, c;

        f->now += HB_NS_PER_S / 2;
        b = watch(f, 1);
        assert_int_equal(next_seq(f, &b), 1);
        f->now += HB_NS_PER_S;
        c = watch(f, 1);
        assert_int_equal(next_seq(f, &c), 2);
        assert_int_equal(f->made, 2);
        hang_up(&a);
        hang_up(&b);
        hang_up(&c);
}

static void what_a_tick_has(void **state) {
        struct fixture *f = *state;
        struct conn c = watch(f, 1);
        json_t *t, *cost;

        t = tick_of(reply(f->base, &c));
        cost = json_object_get(t, "cost");
        assert_true(json_is_real(json_object_get(t, "time")));
        assert_int_equal(number(t, "made"), 1);
        assert_int_equal(number(t, "events_skipped"), 0);
        assert_int_equal(number(cost, "viewers"), 0); /* when it was made */
        assert_true(number(cost, "bytes") > 100);
        assert_true(json_is_real(json_object_get(cost, "cpu_share")));
        assert_true(json_is_real(json_object_get(cost, "snapshot_ms")));
        assert_int_equal(json_array_size(json_object_get(t, "events")), 0);
        json_decref(t);
        hang_up(&c);
}

static void each_third_tick(void **state) {
        struct fixture *f = *state;
        struct conn one = watch(f, 1), three = watch(f, 3);

        assert_int_equal(next_seq(f, &one), 1);
        assert_int_equal(next_seq(f, &three), 1);
        for (int i = 2; i <= 10; i++) {
                happen(f, 2, HB_LOG_NOTICE);
                tick(f);
                assert_int_equal(next_seq(f, &one), i);
                assert_int_equal(next_seq(f, &three), (i - 1) % 3 == 0 ? i : -1);
        }
        hang_up(&one);
        pump(f->base);
        for (int i = 0; i < 3; i++) /* and only its ticks are made now */
                tick(f);
        assert_int_equal(f->made, 11);
        assert_int_equal(next_seq(f, &three), 11);
        hang_up(&three);
}

/* The same connection asks again: one viewer with another pace, no event twice, none left out. */
static void a_second_watch_takes_the_place_of_the_first(void **state) {
        struct fixture *f = *state;
        struct conn c = watch(f, 1), other = watch(f, 1);
        json_t *msg;

        assert_int_equal(next_seq(f, &c), 1);
        happen(f, 3, HB_LOG_NOTICE);
        say(f->base, &c, "{\"id\":8,\"cmd\":\"watch\",\"args\":{\"every\":3}}\n");
        msg = reply(f->base, &c); /* the former one's answer, and no tick with it */
        assert_int_equal(json_integer_value(json_object_get(msg, "id")), 7);
        assert_true(json_is_true(json_object_get(msg, "ok")));
        json_decref(msg);
        assert_null(line_now(f->base, &c));
        assert_int_equal(hb_watchers_count(f->watchers), 2);
        assert_int_equal(next_seq(f, &other), 1);
        for (int i = 2; i <= 7; i++) {
                json_t *p;

                tick(f);
                assert_int_equal(next_seq(f, &other), i);
                msg = line_now(f->base, &c);
                assert_true((msg != NULL) == (i == 2 || i == 5)); /* the next was due anyhow */
                p = json_object_get(msg, "progress");
                if (i == 2)
                        assert_int_equal(json_array_size(json_object_get(p, "events")), 3);
                if (i == 5)
                        assert_int_equal(json_array_size(json_object_get(p, "events")), 0);
                if (msg)
                        assert_int_equal(json_integer_value(json_object_get(msg, "id")), 8);
                json_decref(msg);
        }
        hang_up(&c);
        hang_up(&other);
}

/* ---- who does not read ---- */

static void whoever_is_behind_gets_the_newest(void **state) {
        struct fixture *f = *state;
        struct conn reads, sleeps;

        f->size = 900000;
        reads = watch(f, 1);
        sleeps = watch(f, 1);
        assert_int_equal(next_seq(f, &reads), 1);
        for (int i = 2; i <= 12; i++) {
                happen(f, 1, HB_LOG_NOTICE);
                tick(f);
                assert_int_equal(next_seq(f, &reads), i);
        }
        assert_int_equal(f->made, 12);
        assert_int_equal(next_seq(f, &sleeps), 1); /* the one that was on its way, whole */
        assert_int_equal(next_seq(f, &sleeps), -1);
        tick(f);
        json_t *t = tick_of(reply(f->base, &sleeps));
        assert_int_equal(number(t, "seq"), 13);
        assert_int_equal(json_array_size(json_object_get(t, "events")), 11);
        json_decref(t);
        hang_up(&reads);
        hang_up(&sleeps);
}

static void small_ticks_do_not_pile_up_in_the_kernel(void **state) {
        struct fixture *f = *state;
        struct conn c = watch(f, 1);

        for (int i = 0; i < 20; i++)
                tick(f);
        assert_int_equal(f->made, 1);
        assert_int_equal(next_seq(f, &c), 1);
        assert_int_equal(next_seq(f, &c), -1);
        tick(f);
        assert_int_equal(next_seq(f, &c), 2);
        hang_up(&c);
}

static void other_answers_come_between_ticks(void **state) {
        struct fixture *f = *state;
        struct conn c = watch(f, 1);

        assert_int_equal(next_seq(f, &c), 1);
        f->size = 900000;
        tick(f);
        say(f->base, &c, "{\"id\":8,\"cmd\":\"events\"}\n{\"id\":9,\"cmd\":\"doctor\"}\n");
        assert_int_equal(next_seq(f, &c), 2);
        for (int id = 8; id <= 9; id++) {
                json_t *msg = reply(f->base, &c);

                assert_int_equal(json_integer_value(json_object_get(msg, "id")), id);
                assert_true(json_is_true(json_object_get(msg, "ok")));
                assert_true(json_is_object(json_object_get(msg, "result")));
                json_decref(msg);
        }
        hang_up(&c);
}

/* ---- events ---- */

static void the_first_tick_has_the_newest_and_later_ones_what_is_new(void **state) {
        struct fixture *f = *state;
        struct conn c;
        json_t *t, *list;

        happen(f, 500, HB_LOG_INFO);
        c = watch(f, 1);
        t = tick_of(reply(f->base, &c));
        list = json_object_get(t, "events");
        assert_int_equal(json_array_size(list), HB_WATCH_FIRST);
        assert_int_equal(number(json_array_get(list, HB_WATCH_FIRST - 1), "seq"),
                         hb_event_ring_newest(f->ring));
        assert_int_equal(number(t, "events_skipped"), 0);
        json_decref(t);
        happen(f, 3, HB_LOG_ERR);
        tick(f);
        t = tick_of(reply(f->base, &c));
        list = json_object_get(t, "events");
        assert_int_equal(json_array_size(list), 3);
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "text")), "event 0");
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "level")), "error");
        json_decref(t);
        hang_up(&c);
}

static void a_burst_is_cut_from_its_least_important_end(void **state) {
        struct fixture *f = *state;
        struct conn c = watch(f, 1), d = watch(f, 1);

        assert_int_equal(next_seq(f, &c), 1);
        assert_int_equal(next_seq(f, &d), 1);
        happen(f, 5, HB_LOG_ERR);
        happen(f, 5000, HB_LOG_INFO);
        happen(f, 100, HB_LOG_WARNING);
        tick(f);
        for (struct conn *one = &c; one; one = one == &c ? &d : NULL) {
                json_t *t = tick_of(reply(f->base, one)), *e;
                json_int_t before = 0;
                unsigned warnings = 0;
                size_t i;

                assert_int_equal(json_array_size(json_object_get(t, "events")), HB_WATCH_EVENTS);
                assert_int_equal(number(t, "events_skipped"), 5105 - HB_WATCH_EVENTS);
                json_array_foreach(json_object_get(t, "events"), i, e) {
                        assert_true(number(e, "seq") > before);
                        before = number(e, "seq");
                        warnings += !strcmp(json_string_value(json_object_get(e, "level")), "warning");
                }
                assert_int_equal(warnings, 100);
                json_decref(t);
        }
        hang_up(&c);
        hang_up(&d);
}

/* ---- ends ---- */

static void those_left_are_told_when_it_ends(void **state) {
        struct fixture *f = *state;
        struct hb_watch_use use = {snapshot, f};
        struct conn c = watch(f, 1);
        json_t *msg;

        assert_int_equal(next_seq(f, &c), 1);
        hb_watchers_free(f->watchers);
        assert_int_equal(hb_watchers_new(NULL, &use, f->ring, &f->watchers), 0);
        msg = reply(f->base, &c);
        assert_true(json_is_false(json_object_get(msg, "ok")));
        json_decref(msg);
        hang_up(&c);
}

/* Whatever fails, nothing leaks, and whoever asks gets ticks or an answer, or is cut off. */
static void a_round(struct fixture *f) {
        static const char line[] = "{\"id\":7,\"cmd\":\"watch\",\"args\":{\"every\":1}}\n";
        struct conn c = dial(f->path);
        json_t *msg;

        pump(f->base);
        if (send(c.fd, line, strlen(line), MSG_NOSIGNAL) < 0) /* it was not let in */
                assert_int_equal(errno, EPIPE);
        msg = line_now(f->base, &c);
        happen(f, 1, HB_LOG_ERR);
        tick(f);
        for (; msg; msg = line_now(f->base, &c))
                json_decref(msg);
        hang_up(&c);
        pump(f->base);
        tick(f);
        assert_int_equal(hb_watchers_count(f->watchers), 0);
}

static void each_fault_is_survived(void **state) {
        struct fixture *f = *state;
        unsigned n;

        for (n = 1; hb_fail_nth(n); n++)
                a_round(f);
        assert_true(n > 4);
        hb_fault_disarm();
}

static void the_timer_runs_while_somebody_watches(void **state) {
        struct fixture *f = *state;
        struct hb_watch_use use = {snapshot, f};
        struct conn c;

        hb_watchers_free(f->watchers);
        assert_int_equal(hb_watchers_new(f->base, &use, f->ring, &f->watchers), 0);
        c = dial(f->path);
        pump(f->base);
        say(f->base, &c, "{\"id\":7,\"cmd\":\"events\"}\n");
        json_decref(reply(f->base, &c));
        assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED), 2); /* accept, read */
        say(f->base, &c, "{\"id\":7,\"cmd\":\"watch\",\"args\":{\"every\":1}}\n");
        assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED), 3);
        hang_up(&c);
        pump(f->base);
        tick(f);
        assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(nothing_is_made_while_nobody_watches, setup, teardown),
                cmocka_unit_test_setup_teardown(all_viewers_share_one, setup, teardown),
                cmocka_unit_test_setup_teardown(a_late_one_gets_the_last_snapshot_or_a_new_one, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_a_tick_has, setup, teardown),
                cmocka_unit_test_setup_teardown(each_third_tick, setup, teardown),
                cmocka_unit_test_setup_teardown(a_second_watch_takes_the_place_of_the_first, setup, teardown),
                cmocka_unit_test_setup_teardown(whoever_is_behind_gets_the_newest, setup, teardown),
                cmocka_unit_test_setup_teardown(small_ticks_do_not_pile_up_in_the_kernel, setup, teardown),
                cmocka_unit_test_setup_teardown(other_answers_come_between_ticks, setup, teardown),
                cmocka_unit_test_setup_teardown(the_first_tick_has_the_newest_and_later_ones_what_is_new,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_burst_is_cut_from_its_least_important_end, setup, teardown),
                cmocka_unit_test_setup_teardown(those_left_are_told_when_it_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(each_fault_is_survived, setup, teardown),
                cmocka_unit_test_setup_teardown(the_timer_runs_while_somebody_watches, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
