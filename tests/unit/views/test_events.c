/* The events view: newest last, with the next step; a selected event stays while others come; levels; few
 * rows are built however many there are, unless somebody looks for old ones. */
#include "view_fake.h"
#include <stdio.h>

static json_t *event(unsigned n, const char *level, const char *kind, const char *text, const char *next) {
        return json_pack("{s:i,s:f,s:s,s:s,s:s,s:s,s:s,s:s}", "seq", (int)n, "time", 1795399000.0 + n,
                         "level", level, "kind", kind, "guest", n % 2 ? "vm1" : "", "host", "b", "text", text,
                         "next", next);
}

static json_t *tick_with(json_t *events, int skipped) {
        return json_pack("{s:s,s:f,s:[],s:[],s:o,s:i}", "host", "a", "time", 1795400000.0, "guests",
                         "incoming", "events", events, "events_skipped", skipped);
}

static json_t *some(void) {
        json_t *a = json_array();

        json_array_append_new(a, event(1, "info", "guest", "attached", ""));
        json_array_append_new(a, event(2, "notice", "placement", "vm1 is ready on b", ""));
        json_array_append_new(a, event(3, "warning", "network", "link to b is slow", "look at the switch"));
        json_array_append_new(a, event(4, "error", "migration", "the target's VMM did not come up",
                                       "run incoming_command by hand"));
        return a;
}

static void usual(struct fake *f) {
        fake_new(f);
        fake_add(f, tick_with(some(), 0), NULL);
        fake_turn(f);
}

/* Many more, in ticks of 256. */
static void add_many(struct fake *f, unsigned n, unsigned first) {
        while (n > 0) {
                json_t *a = json_array();

                for (unsigned i = 0; i < 256 && n > 0; i++, n--, first++)
                        json_array_append_new(a, event(first, "info", "guest", "something", ""));
                json_decref(f->tick[0]);
                f->tick[0] = tick_with(a, 0);
                fake_tick(f, 0);
                fake_turn(f);
        }
}

static void test_newest_last(void **state) {
        struct fake f;
        const char *first, *last;

        usual(&f);
        fake_plain(&f, &hb_view_events);
        first = strstr(f.text, "attached");
        last = strstr(f.text, "did not come up");
        assert_non_null(first);
        assert_true(first < last);
        fake_has(&f, "level x error");
        fake_has(&f, "level ! warning");
        fake_has(&f, "time UTC 01:56:44");
        fake_has(&f, "next: run incoming_command by hand"); /* the newest one is shown in full */
        fake_free(&f);
}

static void test_selected_in_full(void **state) {
        struct fake f;

        usual(&f);
        strcpy(f.memory.place.row, "e3");
        fake_plain(&f, &hb_view_events);
        if (!strstr(f.text, "next: look at the switch")) { /* numbers may begin at 0 */
                strcpy(f.memory.place.row, "e2");
                fake_plain(&f, &hb_view_events);
        }
        fake_has(&f, "next: look at the switch");
        fake_has(&f, "> time UTC");
        fake_lacks(&f, "next: run incoming_command by hand");
        f.memory.follow = true;
        fake_plain(&f, &hb_view_events);
        fake_has(&f, "next: run incoming_command by hand");
        fake_free(&f);
}

static void test_levels(void **state) {
        static const struct {
                const char *there, *gone;
        } planes[] = {{"did not come up", "link to b is slow"},
                      {"link to b is slow", "vm1 is ready on b"},
                      {"vm1 is ready on b", "attached"}};
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_plain(&f, &hb_view_events);
        for (unsigned i = 3; i-- > 0;) {
                fake_act(&f, &hb_view_events, HB_DO_PLANE, "", NULL, &o);
                assert_int_equal(o.kind, HB_ORDER_DONE);
                fake_plain(&f, &hb_view_events);
                fake_has(&f, planes[i].there);
                fake_lacks(&f, planes[i].gone);
        }
        fake_act(&f, &hb_view_events, HB_DO_PLANE, "", NULL, &o);
        fake_plain(&f, &hb_view_events);
        fake_has(&f, "attached");
        fake_free(&f);
}

static unsigned rows(struct fake *f) {
        hb_doc *d = fake_build(f, &hb_view_events);
        unsigned n = hb_doc_rows_all(hb_doc_main(d));

        hb_doc_free(d);
        return n;
}

static void test_few_rows_of_many(void **state) {
        struct fake f;
        struct hb_event_seen oldest;

        usual(&f);
        add_many(&f, 1500, 5);
        assert_int_equal(hb_world_events(f.w), 1504);
        f.ctx.width = 80;
        f.ctx.height = 21;
        assert_int_equal(rows(&f), 500);
        /* A selected one stays in the table as it grows old, and a filter looks through all. */
        assert_true(hb_world_event(f.w, 1503, &oldest));
        snprintf(f.memory.place.row, sizeof(f.memory.place.row), "e%llu", (unsigned long long)oldest.number);
        assert_true(f.memory.follow); /* before one was chosen */
        f.memory.follow = false;
        assert_int_equal(rows(&f), 1504);
        f.memory.place.row[0] = '\0';
        strcpy(f.memory.order.filter, "attached");
        assert_int_equal(rows(&f), 1504);
        f.memory.order.filter[0] = '\0';
        f.ctx.width = f.ctx.height = 0;
        assert_int_equal(rows(&f), 1504); /* --json has all */
        fake_free(&f);
}

static void test_missed(void **state) {
        struct fake f;

        fake_new(&f);
        fake_add(&f, tick_with(some(), 40), NULL);
        fake_turn(&f);
        fake_plain(&f, &hb_view_events);
        fake_has(&f, "40 older or skipped events are not here");
        fake_free(&f);
}

static void test_goes_to_what_it_is_about(void **state) {
        struct fake f;
        struct hb_order o;
        char id[24];
        struct hb_event_seen e;

        usual(&f);
        assert_true(hb_world_event(f.w, 1, &e)); /* the network's */
        snprintf(id, sizeof(id), "e%llu", (unsigned long long)e.number);
        fake_act(&f, &hb_view_events, HB_DO_OPEN, id, NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_GO);
        assert_int_equal(o.view, HB_VIEW_NETWORK);
        fake_act(&f, &hb_view_events, HB_DO_VIEW_GUEST, id, NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_GO);
        assert_string_equal(o.subject, "vm1");
        fake_act(&f, &hb_view_events, HB_DO_OPEN, "e99999", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE);
        fake_act_all(&f, &hb_view_events, FAKE_ANSWERS("", id, "e", "e-1", "x"));
        fake_free(&f);
}

static void test_painted(void **state) {
        struct fake f;

        usual(&f);
        fake_painted(&f, &hb_view_events, 80, 21);
        fake_has(&f, "x error");
        fake_has(&f, "next: run incoming_command by hand");
        fake_painted(&f, &hb_view_events, 200, 57);
        fake_has(&f, "next step");
        fake_painted(&f, &hb_view_events, 40, 9);
        fake_has(&f, "x error");
        fake_painted(&f, &hb_view_events, 20, 4);
        fake_free(&f);
}

static void test_empty_world(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_events);
        fake_has(&f, "nothing has happened yet");
        fake_act_all(&f, &hb_view_events, FAKE_ANSWERS("", "e1"));
        fake_free(&f);
}

static void test_members_missing(void **state) {
        uint32_t seed = 99;

        for (unsigned round = 0; round < 100; round++) {
                struct fake f;
                json_t *t = tick_with(some(), 3);

                fake_new(&f);
                fake_add(&f, fake_spoil(t, &seed, 5), NULL);
                json_decref(t);
                fake_turn(&f);
                fake_plain(&f, &hb_view_events);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_events, 20 + round, 4 + round % 40);
                fake_no_nonsense(&f);
                json_decref(fake_doc_json(&f, &hb_view_events));
                fake_free(&f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_newest_last),     cmocka_unit_test(test_selected_in_full),
                cmocka_unit_test(test_levels),          cmocka_unit_test(test_few_rows_of_many),
                cmocka_unit_test(test_missed),          cmocka_unit_test(test_goes_to_what_it_is_about),
                cmocka_unit_test(test_painted),         cmocka_unit_test(test_empty_world),
                cmocka_unit_test(test_members_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
