/* The ring of events: numbers, what is forgotten, which are chosen when there are too many, what is answered.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "serve/event_ring.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL (5 * HB_NS_PER_S) /* so the first number is 5001 */

static hb_event_ring *ring_of(unsigned room) {
        hb_event_ring *r;

        assert_int_equal(hb_event_ring_new(room, WALL, &r), 0);
        return r;
}

static void fill(hb_event_ring *r, unsigned n, int level) {
        for (unsigned i = 0; i < n; i++)
                hb_event_ring_add(r, WALL, level, HB_ON_GUEST, "g", NULL, "text", NULL);
}

static void numbers_ascend_and_the_oldest_give_way(void **state) {
        hb_event_ring *r = ring_of(4);

        assert_int_equal(hb_event_ring_newest(r), 5000);
        assert_int_equal(hb_event_ring_oldest(r), 5001);
        assert_null(hb_event_ring_get(r, 5000));
        assert_null(hb_event_ring_get(r, 5001));
        for (unsigned i = 0; i < 10; i++) {
                char text[8];

                snprintf(text, sizeof(text), "%u", i);
                assert_int_equal(
                        hb_event_ring_add(r, WALL + i, HB_LOG_NOTICE, HB_ON_TRACE, "g", "h", text, "n"),
                        5001 + i);
        }
        assert_int_equal(hb_event_ring_oldest(r), 5007);
        assert_null(hb_event_ring_get(r, 5006));
        assert_null(hb_event_ring_get(r, 5011));
        for (uint64_t s = 5007; s <= 5010; s++) {
                const struct hb_event *e = hb_event_ring_get(r, s);

                assert_int_equal(e->seq, s);
                assert_int_equal(e->wall_ns, WALL + s - 5001);
                assert_int_equal(strtoul(e->text, NULL, 10), s - 5001);
        }
        hb_event_ring_free(r);
}

static void texts_are_one_line_and_cut_where_they_must(void **state) {
        hb_event_ring *r = ring_of(2);
        char longer[2000];
        const struct hb_event *e;

        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        e = hb_event_ring_get(
                r, hb_event_ring_add(r, WALL, 99, HB_ON_GUEST, longer, NULL, "a\nb\tc\x1b[2Jd\x7f", longer));
        assert_string_equal(e->text, "a b c?[2Jd?");
        assert_int_equal(e->level, HB_LOG_INFO);
        assert_string_equal(e->host, "");
        assert_int_equal(strlen(e->next), sizeof(e->next) - 1);
        assert_string_equal(e->next + sizeof(e->next) - 5, "x...");
        assert_string_equal(e->guest + sizeof(e->guest) - 5, "x...");
        hb_event_ring_free(r);
}

/* ---- choosing ---- */

static bool before(const hb_event_ring *r, uint64_t a, uint64_t b) {
        int la = hb_event_ring_get(r, a)->level, lb = hb_event_ring_get(r, b)->level;

        return la != lb ? la < lb : a > b;
}

/* An event is chosen when fewer than `most` are better. */
static void check_choice(const hb_event_ring *r, uint64_t after, unsigned most) {
        uint64_t chosen[600], skipped, newest = hb_event_ring_newest(r), from = hb_event_ring_oldest(r);
        unsigned n = hb_event_ring_choose(r, after, most, chosen, &skipped), at = 0;

        if (from <= after)
                from = after + 1;
        for (uint64_t s = from; s <= newest; s++) {
                unsigned better = 0;

                for (uint64_t o = from; o <= newest; o++)
                        better += o != s && before(r, o, s);
                if (better < most)
                        assert_int_equal(chosen[at++], s);
        }
        assert_int_equal(n, at);
        if (after >= 5000)
                assert_int_equal(skipped, after >= newest ? 0 : newest - after - n);
        else
                assert_int_equal(skipped, newest - 5000 - n);
}

static void those_that_matter_most_are_chosen(void **state) {
        hb_event_ring *r = ring_of(100);
        uint32_t x = 12345;

        for (unsigned round = 0; round < 60; round++) {
                for (unsigned i = 0; i < 7; i++) {
                        x = x * 1664525u + 1013904223u;
                        fill(r, 1, HB_LOG_ERR + (int)(x >> 24) % 4);
                }
                for (unsigned most = 1; most < 120; most += 17) {
                        check_choice(r, 0, most);
                        check_choice(r, 5000 + round * 3, most);
                        check_choice(r, hb_event_ring_newest(r) - 3, most);
                        check_choice(r, hb_event_ring_newest(r) + 50, most);
                }
        }
        hb_event_ring_free(r);
}

/* ---- answers ---- */

struct got {
        size_t n;
        json_int_t first, last, missed, newest;
};

static struct got ask(const hb_event_ring *r, int64_t after, int64_t limit) {
        json_t *j = hb_event_ring_answer(r, after, limit), *list = json_object_get(j, "events"), *e;
        struct got g = {.n = json_array_size(list),
                        .missed = json_integer_value(json_object_get(j, "missed")),
                        .newest = json_integer_value(json_object_get(j, "newest"))};
        size_t i;

        json_array_foreach(list, i, e) {
                json_int_t seq = json_integer_value(json_object_get(e, "seq"));

                g.first = i ? g.first : seq;
                if (i)
                        assert_int_equal(seq, g.last + 1);
                g.last = seq;
        }
        json_decref(j);
        return g;
}

static void answers_page_through_the_ring(void **state) {
        hb_event_ring *r = ring_of(50);
        struct got g = ask(r, -1, 10);

        assert_int_equal(g.n, 0);
        assert_int_equal(g.newest, 5000);
        fill(r, 120, HB_LOG_NOTICE); /* 5001 to 5120; 5071 is the oldest */
        g = ask(r, -1, 10);
        assert_int_equal(g.n, 10);
        assert_int_equal(g.first, 5111);
        assert_int_equal(g.missed, 0);
        assert_int_equal(g.newest, 5120);
        g = ask(r, 5100, 5);
        assert_int_equal(g.first, 5101);
        assert_int_equal(g.last, 5105);
        g = ask(r, 5050, 5);
        assert_int_equal(g.first, 5071);
        assert_int_equal(g.missed, 20);
        g = ask(r, 5070, 100000);
        assert_int_equal(g.n, 50);
        assert_int_equal(g.missed, 0);
        assert_int_equal(ask(r, 5120, 5).n, 0);
        assert_int_equal(ask(r, INT64_MAX, 5).n, 0);
        assert_int_equal(ask(r, INT64_MAX - 1, 5).n, 0);
        g = ask(r, 0, -7); /* a number of an earlier life: what is forgotten of this one */
        assert_int_equal(g.n, 1);
        assert_int_equal(g.missed, 70);
        hb_event_ring_free(r);
}

static void an_event_has_its_members(void **state) {
        hb_event_ring *r = ring_of(3);
        json_t *j, *e;

        hb_event_ring_add(r, 1500 * HB_NS_PER_MS, HB_LOG_WARNING, HB_ON_NETWORK, "g", "b", "bad \xff byte",
                          "do");
        j = hb_event_ring_answer(r, -1, 1);
        e = json_array_get(json_object_get(j, "events"), 0);
        assert_string_equal(json_string_value(json_object_get(e, "level")), "warning");
        assert_string_equal(json_string_value(json_object_get(e, "kind")), "network");
        assert_string_equal(json_string_value(json_object_get(e, "guest")), "g");
        assert_string_equal(json_string_value(json_object_get(e, "host")), "b");
        assert_string_equal(json_string_value(json_object_get(e, "text")), "bad ? byte");
        assert_string_equal(json_string_value(json_object_get(e, "next")), "do");
        assert_true(json_real_value(json_object_get(e, "time")) == 1.5);
        assert_int_equal(json_object_size(e), 8);
        json_decref(j);
        hb_event_ring_free(r);
}

static void no_memory_is_said(void **state) {
        hb_event_ring *r = NULL;

        for (unsigned n = 1; hb_fail_nth(n); n++)
                if (hb_event_ring_new(4, WALL, &r) == 0)
                        r = hb_event_ring_free(r);
                else
                        assert_null(r);
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_ascend_and_the_oldest_give_way),
                cmocka_unit_test(texts_are_one_line_and_cut_where_they_must),
                cmocka_unit_test(those_that_matter_most_are_chosen),
                cmocka_unit_test(answers_page_through_the_ring),
                cmocka_unit_test(an_event_has_its_members),
                cmocka_unit_test(no_memory_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
