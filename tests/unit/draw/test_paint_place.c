/* Nothing jumps: whatever comes, goes or is sorted, the selected object stays on its line of the screen
 * unless an end of the table does not allow it; a row that is gone hands over to the one that stands there
 * now. Random histories against a list that says what has to be. */
#include "doc_rig.h"
#include <stdio.h>

#define MOST 60u

/* A table as it changes: ids in their order. */
struct model {
        unsigned id[MOST], n, next, notes;
        uint64_t seed;
};

static unsigned below(struct model *m, unsigned n) {
        m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
        return n ? (unsigned)((m->seed >> 33) % n) : 0;
}

static void insert(struct model *m) {
        unsigned at = below(m, m->n + 1);

        if (m->n == MOST)
                return;
        memmove(m->id + at + 1, m->id + at, (m->n - at) * sizeof(m->id[0]));
        m->id[at] = m->next++;
        m->n++;
}

static void take_out(struct model *m, unsigned at) {
        if (at >= m->n)
                return;
        m->n--;
        memmove(m->id + at, m->id + at + 1, (m->n - at) * sizeof(m->id[0]));
}

static void shuffle(struct model *m) {
        for (unsigned i = m->n; i > 1; i--) {
                unsigned k = below(m, i), id = m->id[k];

                m->id[k] = m->id[i - 1];
                m->id[i - 1] = id;
        }
}

static void change(struct model *m, int selected) {
        for (unsigned i = below(m, 4); i > 0; i--)
                insert(m);
        for (unsigned i = below(m, 4); i > 0; i--)
                take_out(m, below(m, m->n));
        if (below(m, 8) == 0)
                shuffle(m);
        if (below(m, 6) == 0 && selected >= 0)
                take_out(m, (unsigned)selected);
        if (below(m, 40) == 0)
                m->n = 0;
        m->notes = below(m, 3); /* lines above the table come and go too */
}

static int find(const struct model *m, const char *row) {
        for (unsigned i = 0; i < m->n; i++) {
                char id[16];

                snprintf(id, sizeof(id), "vm%u", m->id[i]);
                if (strcmp(id, row) == 0)
                        return (int)i;
        }
        return -1;
}

static hb_doc *doc_of(const struct model *m) {
        static const struct hb_doc_column column = {.key = "name", .title = "NAME"};
        hb_doc *d = hb_doc_new("test");
        hb_doc_table *t;

        assert_non_null(d);
        for (unsigned i = 0; i < m->notes; i++)
                hb_doc_note(d, NULL, HB_STYLE_WARN, '!', "a note");
        t = hb_doc_table_new(d, "t", "", &column, 1, true, "nothing");
        for (unsigned i = 0; i < m->n; i++) {
                char id[16];

                snprintf(id, sizeof(id), "vm%u", m->id[i]);
                hb_doc_row(t, id);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_integer(m->id[i]), "%s", id);
        }
        hb_doc_note(d, NULL, HB_STYLE_NORMAL, 0, "below");
        return d;
}

/* The name on the surface's line. */
static void name_at(const struct doc_rig *r, unsigned y, char name[16]) {
        unsigned x = 0;

        for (; x < 15 && hb_surface_at(r->surface, x, y)->ch != ' '; x++)
                name[x] = (char)hb_surface_at(r->surface, x, y)->ch;
        name[x] = '\0';
}

static void check(const struct model *m, const struct doc_rig *r, const struct hb_place_in_doc *before) {
        const struct hb_paint_result *p = &r->result;
        int at = find(m, before->row), now = find(m, r->place.row);
        unsigned y = (unsigned)p->cursor_y, shown = p->table_lines, first = y + 1, last, line;
        char name[16];

        assert_true(now >= 0);
        if (at >= 0)
                assert_int_equal(at, now);
        else
                assert_int_equal(now, before->row_index < m->n ? before->row_index : m->n - 1);
        name_at(r, y, name);
        assert_string_equal(name, r->place.row);
        assert_int_equal(y, r->place.row_line);
        assert_int_equal(now, r->place.row_index);
        /* The window of rows it lies in: first and last of its lines, from what is drawn. */
        for (int i = now; i >= 0 && first > 0; i--) {
                char expected[16];

                snprintf(expected, sizeof(expected), "vm%u", m->id[i]);
                name_at(r, first - 1, name);
                if (strcmp(name, expected) != 0)
                        break;
                first--;
        }
        last = first + shown - 1;
        line = before->row_line < first ? first : before->row_line > last ? last : before->row_line;
        if (y < line) /* up: only because the table's first row cannot stand lower than its first line */
                assert_int_equal(y - first, now);
        if (y > line) /* down: only because the last row cannot stand higher than the last line */
                assert_true(m->n <= shown || last - y == m->n - 1 - (unsigned)now);
}

static void random_histories(void **state) {
        unsigned kept = 0, paintings = 0;

        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct model m = {.seed = seed};
                struct doc_rig r = {0};
                unsigned h = 6 + (unsigned)(seed % 15);

                for (unsigned i = 0; i < 50; i++)
                        insert(&m);
                for (unsigned step = 0; step < 60; step++) {
                        struct hb_place_in_doc before = r.place;
                        hb_doc *d = doc_of(&m);

                        doc_rig_paint(&r, d, 20, h);
                        hb_doc_free(d);
                        if (m.n == 0) {
                                assert_string_equal(r.place.row, before.row);
                        } else if (step > 0 && before.row[0]) {
                                check(&m, &r, &before);
                                kept += before.row_line == r.place.row_line;
                                paintings++;
                        }
                        if (step % 7 == 3 && m.n) { /* somebody moves the selection */
                                unsigned to = below(&m, m.n);

                                r.place.row_line += to - r.place.row_index;
                                r.place.row_line = (int)r.place.row_line < 0 ? 0 : r.place.row_line;
                                r.place.row_index = to;
                                snprintf(r.place.row, sizeof(r.place.row), "vm%u", m.id[to]);
                        }
                        change(&m, find(&m, r.place.row));
                }
                doc_rig_fini(&r);
        }
        assert_true(kept * 2 > paintings); /* though one painting in seven follows a move by hand */
}

static void rows_above_come_and_go(void **state) {
        struct model m = {.n = 30, .next = 100};
        struct doc_rig r = {.place = {.row = "vm15", .row_line = 5}};
        hb_doc *d;

        for (unsigned i = 0; i < 30; i++)
                m.id[i] = i;
        for (unsigned i = 0; i < 10; i++) {
                d = doc_of(&m);
                doc_rig_paint(&r, d, 20, 10);
                assert_string_equal(r.place.row, "vm15");
                assert_int_equal(r.result.cursor_y, 5);
                hb_doc_free(d);
                if (i < 9)
                        take_out(&m, 0);
        }
        take_out(&m, 6); /* itself */
        d = doc_of(&m);
        doc_rig_paint(&r, d, 20, 10);
        assert_string_equal(r.place.row, "vm16");
        assert_int_equal(r.result.cursor_y, 5);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void the_last_line_is_asked_for(void **state) {
        struct model m = {.n = 30};
        struct doc_rig r = {.place = {.row = "vm29", .row_line = UINT32_MAX}};
        hb_doc *d;

        for (unsigned i = 0; i < 30; i++)
                m.id[i] = i;
        d = doc_of(&m);
        doc_rig_paint(&r, d, 20, 10);
        assert_int_equal(r.result.cursor_y, 8); /* the note stands below */
        assert_int_equal(r.place.row_line, 8);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_histories),
                cmocka_unit_test(rows_above_come_and_go),
                cmocka_unit_test(the_last_line_is_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
