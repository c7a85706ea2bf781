/* Seats: from the dial to silence, loss and back; older daemons; hostile ones; memory that does not grow. */
#include "base/fault.h"
#include "world_rig.h"
#include <malloc.h>

static enum hb_seat_state state_of(struct rig *r, unsigned seat) {
        return hb_world_seat(r->w, seat)->state;
}

static void test_states(void **state) {
        const struct hb_seat *s;
        char dir[] = "/tmp/hb-wo-XXXXXX", path[64];
        struct rig r;
        int listener;
        struct hb_err e;
        char c;

        rig_begin(&r);
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/s", dir);
        assert_int_equal(hb_world_add(r.w, path, &e), 0);
        s = hb_world_seat(r.w, 0);
        assert_string_equal(s->label, path);
        rig_pump(&r);
        assert_int_equal(s->state, HB_SEAT_CONNECTING);
        assert_int_equal(s->why.code, -ENOENT);
        assert_non_null(strstr(s->why.next, "systemctl start harbingerd"));
        listener = rig_listen(path);
        rig_wait(&r, 1);
        rig_accept(&r, 0, listener);
        assert_int_equal(s->state, HB_SEAT_CONNECTING); /* anybody can accept */
        rig_tick(&r, 0, "'host':'a','time':1");
        assert_int_equal(s->state, HB_SEAT_UP);
        assert_int_equal(s->why.code, 0);
        assert_string_equal(s->label, "a");
        assert_string_equal(s->socket, path);
        assert_true(s->heard_ns == r.now && s->since_ns == r.now && s->ticks == 1 && s->bytes > 0);
        assert_int_equal(hb_world_seat_named(r.w, "a"), 0);
        assert_int_equal(hb_world_seat_named(r.w, "b"), HB_NO_SEAT);
        rig_wait(&r, 4.9);
        assert_int_equal(s->state, HB_SEAT_UP);
        assert_true(hb_world_wake_ns(r.w) == r.now + RIG_S / 10);
        r.changed = false;
        rig_wait(&r, 0.1);
        assert_int_equal(s->state, HB_SEAT_SILENT);
        assert_true(r.changed);
        assert_int_equal(s->why.code, -ETIMEDOUT);
        assert_non_null(json_object_get(s->tick, "host")); /* still shown */
        rig_wait(&r, 9.9);
        assert_true(recv(r.fd[0], &c, 1, MSG_DONTWAIT) < 0); /* the connection is still there */
        rig_wait(&r, 0.1);
        assert_int_equal(recv(r.fd[0], &c, 1, MSG_DONTWAIT), 0); /* cut, and dialled at once */
        close(r.fd[0]);
        rig_accept(&r, 0, listener);
        assert_int_equal(s->state, HB_SEAT_SILENT);
        rig_tick(&r, 0, "'host':'a','time':2");
        assert_int_equal(s->state, HB_SEAT_UP);
        close(listener);
        unlink(path);
        rig_hang_up(&r, 0);
        assert_int_equal(s->state, HB_SEAT_LOST);
        assert_int_equal(s->why.code, -ECONNRESET);
        rig_wait(&r, 1);
        assert_int_equal(s->why.code, -ENOENT);
        listener = rig_listen(path);
        rig_wait(&r, 5);
        rig_accept(&r, 0, listener);
        rig_tick(&r, 0, "'host':'a','time':3");
        assert_int_equal(s->state, HB_SEAT_UP);
        close(listener);
        unlink(path);
        rig_wait(&r, 15); /* hangs, and is gone when it is dialled again */
        rig_pump(&r);
        assert_int_equal(s->state, HB_SEAT_LOST);
        rmdir(dir);
        rig_end(&r);
}

/* A daemon from before `watch` is asked for its status, a second after each answer. */
static void test_an_older_daemon(void **state) {
        const struct hb_guest_seen *g;
        struct rig r;
        unsigned a;
        int id;

        rig_begin(&r);
        a = rig_seat(&r);
        rig_answer(&r, a, r.watch_id[a], "'ok':false,'error':{'code':'EPROTONOSUPPORT','what':'what?'}");
        for (unsigned i = 0; i < 5; i++) {
                id = rig_asked(&r, a, "status");
                assert_true(id > 0);
                rig_answer(&r, a, id, "'ok':true,'result':{'host':'old','guests':[{'name':'vm1'}]}");
                assert_int_equal(state_of(&r, a), HB_SEAT_UP);
                assert_int_equal(hb_world_seat(r.w, a)->why.code,
                                 -EPROTONOSUPPORT); /* said, though it works */
                assert_non_null(strstr(hb_world_seat(r.w, a)->why.what, "older"));
                assert_int_equal(hb_world_guests(r.w, &g), 1);
                assert_int_equal(rig_asked(&r, a, "status"), 0);
                rig_wait(&r, 0.9);
                assert_int_equal(rig_asked(&r, a, "status"), 0);
                rig_wait(&r, 0.1);
        }
        rig_end(&r);
}

/* A watch that is refused for another reason, or that ends, is asked for again. */
static void test_asks_again(void **state) {
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        rig_answer(&r, a, r.watch_id[a], "'ok':false,'error':{'code':'EBUSY','what':'too many watch'}");
        assert_int_equal(hb_world_seat(r.w, a)->why.code, -EBUSY);
        assert_int_equal(rig_asked(&r, a, "watch"), 0);
        rig_wait(&r, 2);
        r.watch_id[a] = rig_asked(&r, a, "watch");
        assert_true(r.watch_id[a] > 0);
        rig_tick(&r, a, "'host':'a'");
        assert_int_equal(hb_world_seat(r.w, a)->why.code, 0);
        rig_answer(&r, a, r.watch_id[a], "'ok':true,'result':{}");
        rig_wait(&r, 2);
        assert_true(rig_asked(&r, a, "watch") > 0);
        rig_answer(&r, a, 0,
                   "'ok':false,'error':{'code':'EBUSY','what':'too many clients','next':'close one'}");
        rig_hang_up(&r, a);
        assert_string_equal(hb_world_seat(r.w, a)->why.what, "too many clients"); /* its last words */
        rig_end(&r);
}

static void test_labels_and_numbers(void **state) {
        struct rig r;
        unsigned first, last = 0;
        struct hb_err e;

        rig_begin(&r);
        first = rig_seat(&r);
        rig_tick(&r, first, "'host':'a'");
        assert_int_equal(rig_seat(&r), 1);
        rig_tick(&r, 1, "'host':'a','guests':[{'name':'vm1'}]"); /* one host, looked at twice */
        assert_string_equal(hb_world_seat(r.w, 0)->label, "a");
        assert_string_equal(hb_world_seat(r.w, 1)->label, "a#2");
        rig_tick(&r, 0, "'host':'a','guests':[{'name':'vm1'}]");
        assert_non_null(hb_world_guest(r.w, "vm1@a#2"));
        while (hb_world_seats(r.w) < HB_WORLD_SEATS)
                last = rig_seat(&r);
        assert_int_equal(hb_world_add(r.w, "/tmp/x", &e), -ENOSPC);
        assert_true(e.next[0]);
        hb_world_drop(r.w, last);
        hb_world_drop(r.w, last);
        assert_null(hb_world_seat(r.w, last));
        assert_int_equal(hb_world_add(r.w, "/tmp/x", &e), HB_WORLD_SEATS); /* never the same number */
        assert_int_equal(hb_world_add(r.w, "/tmp/x", &e), -ENOSPC);
        hb_world_drop(r.w, 12345);
        assert_string_equal(hb_seat_state_name(HB_SEAT_SILENT), "silent");
        rig_end(&r);
}

/* What is no daemon at all: each is cut off, nothing else happens. */
static void test_hostile(void **state) {
        static const char *const lines[] = {"{}\n",
                                            "{\"id\":\"x\"}\n",
                                            "{\"id\":1}\n",
                                            "{\"id\":1,\"progress\":7}\n",
                                            "{\"id\":1,\"progress\":[]}\n",
                                            "{\"id\":1,\"progress\":{\"host\":{},\"time\":\"x\",\"guests\":7,"
                                            "\"incoming\":{},\"events\":\"many\","
                                            "\"events_skipped\":-7,\"replay\":[]}}\n",
                                            "{\"id\":-1,\"ok\":true}\n",
                                            "{\"id\":99999999999,\"ok\":true}\n",
                                            "{\"id\":0,\"error\":[]}\n",
                                            "{\"id\":1,\"ok\":false}\n",
                                            "{\"id\":1e300}\n"};
        const struct hb_guest_seen *g;
        char *line = malloc(5u << 20);
        struct rig r;

        rig_begin(&r);
        for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                unsigned seat = rig_seat(&r);

                rig_say(&r, seat, lines[i], strlen(lines[i]));
                assert_int_equal(hb_world_guests(r.w, &g), 0);
                assert_true(hb_world_seat(r.w, seat)->state == HB_SEAT_UP ||
                            hb_world_seat(r.w, seat)->state == HB_SEAT_CONNECTING);
        }
        memset(line, 'x', 5u << 20);
        line[(5u << 20) - 1] = '\n';
        rig_seat(&r);
        rig_tick(&r, 11, "'host':'b','guests':[{'name':'vm1'}]");
        rig_say(&r, 11, line, 5u << 20);
        assert_int_equal(state_of(&r, 11), HB_SEAT_LOST);
        assert_int_equal(hb_world_seat(r.w, 11)->why.code, -EBADMSG);
        assert_int_equal(hb_world_guests(r.w, &g), 1); /* as it was */
        free(line);
        rig_end(&r);
}

/* ---- much, for long ---- */

static char *busy_tick(unsigned n) {
        char *text = malloc(1 << 20);
        size_t len = (size_t)sprintf(text, "'host':'a','time':%u,'events_skipped':9744,'guests':[", n);

        for (unsigned i = 0; i < 20; i++)
                len += (size_t)sprintf(
                        text + len,
                        "%s{'name':'vm%u','dirty_bytes_per_s':%u,'placement':{'id':'%u','to':'b',"
                        "'resident_pages':1000,'fresh_pages':%u,'estimate':{'downtime_ms':%u}}}",
                        i ? "," : "", i + n / 100, n * i, i, (n * 7 + i) % 1000, n % 100);
        len += (size_t)sprintf(text + len, "],'events':[");
        for (unsigned i = 0; i < 8; i++)
                len += (size_t)sprintf(text + len,
                                       "%s{'seq':%u,'time':%u,'level':'info','text':'number %u of many'}",
                                       i ? "," : "", n * 8 + i + 1, n, i);
        strcpy(text + len, "]");
        return text;
}

static void test_memory_is_flat(void **state) {
        double v[HB_TRAIL_POINTS];
        const struct hb_guest_seen *g;
        size_t middle = 0, end;
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        for (unsigned n = 0; n < 10000; n++) {
                char *text = busy_tick(n);

                r.now += RIG_S;
                rig_tick(&r, a, text);
                free(text);
                hb_world_detail(r.w, a, "guest.map", json_pack("{s:i}", "guest", (int)n % 200), 1, NULL,
                                NULL);
                rig_answer(&r, a, rig_asked(&r, a, "guest.map"), "'ok':true,'result':{'n':[1,2,3]}");
                if (n == 4999)
                        middle = mallinfo2().uordblks;
        }
        end = mallinfo2().uordblks;
        if (middle) /* not under a sanitizer, which keeps its own books */
                assert_true(end < middle + (64u << 10));
        assert_int_equal(hb_world_guests(r.w, &g), 20);
        assert_int_equal(hb_world_trail(r.w, hb_world_guest(r.w, "vm99")->trail, HB_TRAIL_FRESH, v),
                         HB_TRAIL_POINTS);
        assert_int_equal(hb_world_events(r.w), HB_WORLD_EVENTS);
        rig_end(&r);
}

/* Without memory, or with a connection that fails: fewer things are known, later all of them. */
static void one_round(void) {
        struct hb_world_options o = {0};
        const struct hb_guest_seen *g = NULL;
        struct rig r = {.now = 100 * RIG_S};
        char line[4096];
        int pair[2], seat = -1;

        if (hb_world_new(&o, &r.w, NULL) < 0)
                assert_int_equal(hb_world_new(&o, &r.w, NULL), 0);
        for (unsigned tries = 0; tries < 6; tries++) {
                if (seat < 0 || !hb_world_seat(r.w, (unsigned)seat) ||
                    hb_world_seat(r.w, (unsigned)seat)->state == HB_SEAT_LOST ||
                    hb_world_seat(r.w, (unsigned)seat)->why.code) {
                        if (seat >= 0) {
                                hb_world_drop(r.w, (unsigned)seat);
                                close(r.fd[0]);
                        }
                        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
                        seat = hb_world_add_fd(r.w, pair[0], "x", NULL);
                        if (seat < 0) {
                                close(pair[0]);
                                close(pair[1]);
                                continue;
                        }
                        r.fd[0] = pair[1];
                        rig_wait(&r, 1);
                        while (rig_heard(&r, 0, line, sizeof(line)))
                                ;
                        r.watch_id[0] = 1;
                }
                rig_tick(&r, 0, "'host':'a','guests':[{'name':'vm1'},{'name':'vm2'}],'events':[{'seq':1}]");
                rig_wait(&r, 1);
                hb_world_guests(r.w, &g);
        }
        assert_int_equal(hb_world_guests(r.w, &g), 2);
        assert_true(g[0].trail != ~0u);
        hb_world_free(r.w);
        close(r.fd[0]);
}

static void test_each_failure(void **state) {
        unsigned met = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++, met++)
                one_round();
        hb_fault_disarm();
        assert_true(met > 10);
}

/* Less often, from all seats that give ticks: asked anew on the same connection, and what comes under the
 * former number is nobody's any more. */
static void test_another_pace(void **state) {
        char line[400];
        struct rig r;
        unsigned a, b;
        int before;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        rig_tick(&r, a, "'host':'a','time':1");
        before = r.watch_id[a];
        hb_world_set_every(r.w, 4);
        rig_pump(&r);
        assert_true(rig_heard(&r, b, line, sizeof(line)) && strstr(line, "\"watch\""));
        assert_true(rig_heard(&r, a, line, sizeof(line)));
        assert_non_null(strstr(line, "\"watch\""));
        assert_non_null(strstr(line, "\"every\": 4") ? line : strstr(line, "\"every\":4"));
        rig_answer(&r, a, before, "'ok':true,'result':{}");
        rig_tick(&r, a, "'host':'a','time':2"); /* still under the former number */
        assert_int_equal(hb_world_seat(r.w, a)->ticks, 1);
        assert_int_equal(sscanf(strstr(line, "\"id\""), "\"id\":%d", &r.watch_id[a]), 1);
        assert_true(r.watch_id[a] > before);
        rig_tick(&r, a, "'host':'a','time':3");
        assert_int_equal(hb_world_seat(r.w, a)->ticks, 2);
        assert_int_equal(hb_world_seat(r.w, a)->state, HB_SEAT_UP);
        rig_wait(&r, 8.5); /* two ticks of the new pace: no silence */
        assert_int_equal(hb_world_seat(r.w, a)->state, HB_SEAT_UP);
        assert_false(rig_heard(&r, a, line, sizeof(line)));
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_another_pace),
                cmocka_unit_test(test_an_older_daemon),
                cmocka_unit_test(test_asks_again),
                cmocka_unit_test(test_labels_and_numbers),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_memory_is_flat),
                cmocka_unit_test(test_each_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
