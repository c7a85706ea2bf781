/* Which rows of the main table are seen and in what order: numbers by value, texts as people count, the
 * unknown last both ways, equal ones as they were; words that must, or must not, occur. */
#include "doc_rig.h"
#include <math.h>
#include <stdio.h>

static const struct hb_doc_column columns[] = {{.key = "name", .title = "GUEST"},
                                               {.key = "rate", .title = "RATE", .right = true},
                                               {.key = "state", .title = "STATE"}};

struct row {
        const char *name;
        double rate; /* NaN: unknown */
        const char *state;
};

static hb_doc *doc_of(const struct row *rows, unsigned n) {
        hb_doc *d = hb_doc_new("test");
        hb_doc_table *t = hb_doc_table_new(d, "t", "", columns, 3, true, "");

        for (unsigned i = 0; i < n; i++) {
                hb_doc_row(t, rows[i].name);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string(rows[i].name), "%s", rows[i].name);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_real(rows[i].rate), isnan(rows[i].rate) ? "-" : "%g",
                            rows[i].rate);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string(rows[i].state), "%s", rows[i].state);
        }
        return d;
}

/* The ids in their order, a blank between. */
static void ordered(hb_doc *d, const char *sort, bool descending, const char *filter, const char *expected) {
        struct hb_doc_order o = {.descending = descending};
        hb_doc_table *t = hb_doc_main(d);
        char ids[400] = "";
        unsigned n;

        snprintf(o.sort, sizeof(o.sort), "%s", sort);
        snprintf(o.filter, sizeof(o.filter), "%s", filter);
        n = hb_doc_arrange(d, &o);
        assert_int_equal(n, hb_doc_rows(t));
        for (unsigned i = 0; i < n; i++) {
                snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%s", i ? " " : "",
                         hb_doc_row_id(t, i));
                assert_int_equal(hb_doc_row_find(t, hb_doc_row_id(t, i)), i);
        }
        assert_null(hb_doc_row_id(t, n));
        assert_int_equal(hb_doc_row_find(t, "nobody"), n);
        assert_string_equal(ids, expected);
}

static const struct row some[] = {
        {"vm10", 5, "ready"}, {"vm2", NAN, "Stalled"},   {"vm1", 5, "filling"},
        {"VM3", -1, "ready"}, {"db", 1e9, "no 12:30 b"}, {"web", NAN, "ready"},
};

static void sorted_both_ways(void **state) {
        hb_doc *d = doc_of(some, 6);

        ordered(d, "", false, "", "vm10 vm2 vm1 VM3 db web");
        ordered(d, "", true, "", "web db VM3 vm1 vm2 vm10");
        ordered(d, "name", false, "", "db vm1 vm2 VM3 vm10 web");
        ordered(d, "name", true, "", "web vm10 VM3 vm2 vm1 db");
        ordered(d, "rate", false, "", "VM3 vm10 vm1 db vm2 web");
        ordered(d, "rate", true, "", "db vm10 vm1 VM3 vm2 web");
        ordered(d, "state", false, "", "vm1 db vm10 VM3 web vm2");
        ordered(d, "no such column", false, "", "vm10 vm2 vm1 VM3 db web");
        hb_doc_free(d);
}

static void filtered_by_words(void **state) {
        hb_doc *d = doc_of(some, 6);

        ordered(d, "", false, "vm", "vm10 vm2 vm1 VM3");
        ordered(d, "name", false, "VM ready", "VM3 vm10");
        ordered(d, "", false, "!ready", "vm2 vm1 db");
        ordered(d, "", false, "state:ready !name:vm", "web");
        ordered(d, "", false, "guest:b", "db web"); /* by title too */
        ordered(d, "", false, "STATE:stalled", "vm2");
        ordered(d, "", false, "12:30", "db"); /* no column: a word */
        ordered(d, "", false, "rate:5", "vm10 vm1");
        ordered(d, "", false, "   \t ", "vm10 vm2 vm1 VM3 db web");
        ordered(d, "", false, "! state: !rate:", "vm10 vm2 vm1 VM3 db web"); /* still being typed */
        ordered(d, "", false, "xyz", "");
        assert_int_equal(hb_doc_rows_all(hb_doc_main(d)), 6);
        hb_doc_free(d);
}

static void filters_know_other_scripts(void **state) {
        static const struct row rows[] = {
                {"B\xc3\x9cRO", 1, "\xff\xfe odd"},
                {"\xce\x91\xce\xb8\xce\xae\xce\xbd\xce\xb1", 2, "x"},            /* Athena, in Greek */
                {"\xd0\x9c\xd0\x9e\xd0\xa1\xd0\x9a\xd0\x92\xd0\x90", 3, "\xc3"}, /* Moscow, in capitals */
                {"\xc4\x8c"
                 "esko",
                 4, "y"},
        };
        hb_doc *d = doc_of(rows, 4);

        ordered(d, "", false, "b\xc3\xbcro", rows[0].name);
        ordered(d, "", false, "\xce\xb1\xce\xb8", rows[1].name);
        ordered(d, "", false, "\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0", rows[2].name);
        ordered(d, "", false, "\xc4\x8d", rows[3].name);
        ordered(d, "", false, "\xc3",
                "B\xc3\x9cRO \xd0\x9c\xd0\x9e\xd0\xa1\xd0\x9a\xd0\x92\xd0\x90"); /* half a letter: '?' */
        hb_doc_free(d);
}

static void numbers_in_names_count(void **state) {
        static const struct row rows[] = {{"n9", 0, ""},  {"n010", 0, ""}, {"n10", 0, ""},
                                          {"n", 0, ""},   {"n9a", 0, ""},  {"n99999999999999999999", 0, ""},
                                          {"n100", 0, ""}};
        hb_doc *d = doc_of(rows, 7);

        ordered(d, "name", false, "", "n n9 n9a n010 n10 n100 n99999999999999999999");
        hb_doc_free(d);
}

static void mixed_values_have_one_order(void **state) {
        static const struct hb_doc_column column = {.key = "v", .title = "V"};
        hb_doc *d = hb_doc_new("test");
        hb_doc_table *t = hb_doc_table_new(d, "t", "", &column, 1, true, "");
        json_t *values[] = {json_string("b"), json_null(),      json_integer(2), json_true(), NULL,
                            json_real(1.5),   json_string("A"), json_array()};
        static const char *const ids[] = {"b", "null", "2", "true", "none", "1.5", "A", "array"};

        for (unsigned i = 0; i < 8; i++) {
                hb_doc_row(t, ids[i]);
                hb_doc_cell(t, HB_STYLE_NORMAL, values[i], "%s", ids[i]);
        }
        hb_doc_row(t, "no cell");
        ordered(d, "v", false, "", "true 1.5 2 A b null none array no cell");
        ordered(d, "v", true, "", "b A 2 1.5 true null none array no cell");
        hb_doc_free(d);
}

static void many_rows_stay_in_place_when_equal(void **state) {
        struct row rows[500];
        char names[500][8];
        hb_doc *d;

        for (unsigned i = 0; i < 500; i++) {
                snprintf(names[i], sizeof(names[i]), "g%u", i);
                rows[i] = (struct row){names[i], i % 7, "s"};
        }
        d = doc_of(rows, 500);
        assert_int_equal(hb_doc_arrange(d, &(struct hb_doc_order){.sort = "rate", .descending = true}), 500);
        for (unsigned i = 1; i < 500; i++) {
                unsigned a = (unsigned)atoi(hb_doc_row_id(hb_doc_main(d), i - 1) + 1);
                unsigned b = (unsigned)atoi(hb_doc_row_id(hb_doc_main(d), i) + 1);

                assert_true(a % 7 > b % 7 || (a % 7 == b % 7 && a < b));
        }
        hb_doc_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sorted_both_ways),
                cmocka_unit_test(filtered_by_words),
                cmocka_unit_test(filters_know_other_scripts),
                cmocka_unit_test(numbers_in_names_count),
                cmocka_unit_test(mixed_values_have_one_order),
                cmocka_unit_test(many_rows_stay_in_place_when_equal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
