/* What happened, from all daemons, in bounded memory. */
#include "world_rig.h"

static struct hb_event_seen event(struct rig *r, size_t i) {
        struct hb_event_seen e;

        assert_true(hb_world_event(r->w, i, &e));
        return e;
}

/* Events from..to of one tick. */
static void tick(struct rig *r, unsigned seat, unsigned from, unsigned to, unsigned skipped, double uptime) {
        char *text = malloc(200 * (to - from + 2));
        size_t n = (size_t)sprintf(text, "'host':'a','uptime_s':%f,'events_skipped':%u,'events':[", uptime,
                                   skipped);

        for (unsigned i = from; i < to; i++)
                n += (size_t)sprintf(text + n, "%s{'seq':%u,'time':%u,'level':'info','text':'number %u'}",
                                     i > from ? "," : "", i, 1000 + i, i);
        strcpy(text + n, "]");
        rig_tick(r, seat, text);
        free(text);
}

static void test_what_is_kept_of_one(void **state) {
        struct hb_event_seen e;
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        assert_false(hb_world_event(r.w, 0, &e));
        rig_tick(&r, a,
                 "'host':'a','events':[{'seq':1,'time':5.5,'level':'error','kind':'network','guest':'vm1',"
                 "'host':'b','text':'the session ended','next':'look there'},{'seq':2,'level':'warning'}]");
        rig_tick(
                &r, b,
                "'host':'b','events':[{'seq':1,'level':'notice'},7,null,'x',{'level':9,'text':[],'seq':-1}]");
        assert_int_equal(hb_world_events(r.w), 4);
        e = event(&r, 3);
        assert_int_equal(e.level, HB_EVENT_ERROR);
        assert_int_equal(e.seat, a);
        assert_true(e.time == 5.5);
        assert_string_equal(e.kind, "network");
        assert_string_equal(e.guest, "vm1");
        assert_string_equal(e.host, "b");
        assert_string_equal(e.text, "the session ended");
        assert_string_equal(e.next, "look there");
        e = event(&r, 2);
        assert_int_equal(e.level, HB_EVENT_WARNING);
        assert_string_equal(e.next, "");
        e = event(&r, 1);
        assert_int_equal(e.seat, b);
        assert_int_equal(e.level, HB_EVENT_NOTICE);
        assert_int_equal(event(&r, 0).level, HB_EVENT_INFO);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(event(&r, i).number, event(&r, i + 1).number + 1);
        assert_true(event(&r, 3).number > 0);
        assert_null(json_object_get(hb_world_seat(r.w, a)->tick, "events"));
        rig_end(&r);
}

static void test_once_each(void **state) {
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        tick(&r, a, 1, 11, 0, 100);
        tick(&r, a, 5, 15, 0, 101);
        assert_int_equal(hb_world_events(r.w), 14);
        assert_int_equal(hb_world_events_missed(r.w), 0);
        tick(&r, a, 40, 41, 25, 102); /* what it left out, it says itself */
        assert_int_equal(hb_world_events_missed(r.w), 25);
        assert_int_equal(hb_world_seat(r.w, a)->skipped_events, 25);
        rig_end(&r);
}

/* Another connection to the same daemon: the newest of its ring again, and a gap that nobody told of. */
static void test_connected_again(void **state) {
        char dir[] = "/tmp/hb-ev-XXXXXX", path[64];
        struct rig r;
        int seat, listener;
        unsigned a;
        struct hb_err e;

        rig_begin(&r);
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/s", dir);
        listener = rig_listen(path);
        seat = hb_world_add(r.w, path, &e);
        assert_true(seat >= 0);
        a = (unsigned)seat;
        rig_pump(&r);
        rig_accept(&r, a, listener);
        tick(&r, a, 1, 11, 0, 100);
        rig_hang_up(&r, a);
        rig_wait(&r, 1);
        rig_accept(&r, a, listener);
        tick(&r, a, 6, 16, 0, 110);
        assert_int_equal(hb_world_events(r.w), 15);
        assert_int_equal(hb_world_events_missed(r.w), 0);
        rig_hang_up(&r, a);
        rig_wait(&r, 1);
        rig_accept(&r, a, listener);
        tick(&r, a, 20, 30, 0, 120);
        assert_int_equal(hb_world_events(r.w), 25);
        assert_int_equal(hb_world_events_missed(r.w), 4);
        rig_hang_up(&r, a);
        rig_wait(&r, 1);
        rig_accept(&r, a, listener);
        tick(&r, a, 1, 4, 0, 2); /* started again: it counts from the beginning */
        assert_int_equal(hb_world_events(r.w), 28);
        assert_int_equal(hb_world_events_missed(r.w), 4);
        close(listener);
        unlink(path);
        rmdir(dir);
        rig_end(&r);
}

static void test_the_oldest_go(void **state) {
        struct hb_event_seen e;
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        for (unsigned i = 0; i < 60; i++)
                tick(&r, a, 1 + 200 * i, 201 + 200 * i, 0, 100 + i);
        assert_int_equal(hb_world_events(r.w), HB_WORLD_EVENTS);
        assert_int_equal(hb_world_events_missed(r.w), 2000);
        assert_string_equal(event(&r, 0).text, "number 12000");
        assert_string_equal(event(&r, HB_WORLD_EVENTS - 1).text, "number 2001");
        assert_false(hb_world_event(r.w, HB_WORLD_EVENTS, &e));
        rig_end(&r);
}

/* Texts as long as a daemon can make them: cut at a character, and the ring holds fewer. */
static void test_long_ones(void **state) {
        size_t size = 200000;
        char *text = malloc(size + 200), *words = malloc(size);
        struct hb_event_seen e;
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        for (size_t i = 0; i + 3 < size; i += 2)
                memcpy(words + i, "\xc3\xa4", 3); /* a letter of two bytes */
        for (unsigned i = 1; i <= 20000; i++) {
                words[i % 7 ? 600 + i % 500 * 2 : 10000] = '\0';
                snprintf(text, size + 200,
                         "'host':'a','events':[{'seq':%u,'text':'%s','next':'%s','kind':'%u'}]", i, words,
                         i % 3 ? words : "", i);
                rig_tick(&r, a, text);
                for (size_t k = 0; k < 600 + 1000; k += 2)
                        memcpy(words + k, "\xc3\xa4", 2);
                words[10000] = '\xc3';
        }
        assert_true(hb_world_events(r.w) > 3000 && hb_world_events(r.w) < HB_WORLD_EVENTS);
        assert_int_equal(hb_world_events(r.w) + hb_world_events_missed(r.w), 20000);
        for (size_t i = 0; i < hb_world_events(r.w); i++) {
                assert_true(hb_world_event(r.w, i, &e));
                assert_int_equal(strtoul(e.kind, NULL, 10), 20000 - i);
                assert_true(strlen(e.text) >= 500 && strlen(e.text) < 512 && strlen(e.text) % 2 == 0);
                assert_true(strncmp(e.next, (20000 - i) % 3 ? e.text : "", 2) == 0);
        }
        free(text);
        free(words);
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_kept_of_one), cmocka_unit_test(test_once_each),
                cmocka_unit_test(test_connected_again),     cmocka_unit_test(test_the_oldest_go),
                cmocka_unit_test(test_long_ones),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
