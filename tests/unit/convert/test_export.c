/* Out of .hbt and back: what the files hold, that what was exported comes back the same, and that nothing is
 * ever left half. */
#include "base/fault.h"
#include "check.h"
#include "convert/export.h"
#include "convert/import.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
        char dir[64], trace[96], out[96], back[96];
        struct hb_err e;
};

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        strcpy(w->dir, "/tmp/hb-export-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        snprintf(w->trace, sizeof(w->trace), "%s/t.hbt", w->dir);
        snprintf(w->back, sizeof(w->back), "%s/back.hbt", w->dir);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;
        char command[128];

        hb_fault_disarm();
        snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
        assert_int_equal(system(command), 0);
        free(w);
        return 0;
}

static unsigned files(const struct world *w) {
        DIR *d = opendir(w->dir);
        unsigned n = 0;

        for (struct dirent *f; (f = readdir(d));)
                n += strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0;
        closedir(d);
        return n;
}

static char *contents(const char *path, size_t *ret_n) {
        FILE *f = fopen(path, "r");
        char *text = malloc(1 << 20);

        assert_non_null(f);
        *ret_n = fread(text, 1, (1 << 20) - 1, f);
        text[*ret_n] = '\0';
        fclose(f);
        return text;
}

static const char *out_as(struct world *w, const char *name) {
        snprintf(w->out, sizeof(w->out), "%s/%s", w->dir, name);
        return w->out;
}

#define S 1000000000ull

static const struct hb_trace_access first[] = {{3, 1, 2}, {5, 0, 1}}, second[] = {{3, 2, 0}, {99, 1, 0}},
                                    last[] = {{3, 0, 1}};

static void put_events(hb_trace_writer *t) {
        struct hb_trace_event net = {
                .stream = HB_TRACE_NETWORK, .time_ns = S + 305, .network = {2e-4, 1e8, 9e7, .1, 0}};
        struct hb_trace_event moved = {
                .stream = HB_TRACE_TRANSFER, .time_ns = S + 306, .transfer = {7, 2, 1, 4321, true}};
        struct hb_trace_event raw = {
                .stream = HB_TRACE_INPUT, .time_ns = S + 307, .raw = {(const uint8_t *)"abc", 3}};

        assert_int_equal(hb_trace_writer_event(t, &net), 0);
        assert_int_equal(hb_trace_writer_event(t, &moved), 0);
        assert_int_equal(hb_trace_writer_event(t, &raw), 0);
        assert_int_equal(hb_trace_writer_mark(t, S + 308, HB_MARK_DIGEST, UINT64_MAX - 1, "it's \x1b[31m"),
                         0);
}

/* Three epochs with the jitter of a live recording, one without accesses between them, events. */
static void make_trace(struct world *w) {
        struct hb_trace_header h = {.page_size = 4096,
                                    .epoch_ns = S,
                                    .origin = HB_TRACE_SYNTHETIC,
                                    .flags = HB_TRACE_COUNTS | HB_TRACE_EXACT_WRITES,
                                    .guest = "vm1"};
        hb_trace_writer *t;

        assert_int_equal(hb_shape_add(&h.shape, "ram", 128 * 4096, 4096, NULL), 0);
        if (hb_trace_writer_new(w->trace, &h, NULL, &t, &w->e) < 0)
                fail_msg("%s (%s)", w->e.what, w->e.which);
        assert_int_equal(hb_trace_writer_epoch(t, 1, S + 300, first, 2), 0);
        put_events(t);
        assert_int_equal(hb_trace_writer_epoch(t, 2, 2 * S - 100, second, 2), 0);
        assert_int_equal(hb_trace_writer_epoch(t, 3, 3 * S, NULL, 0), 0);
        assert_int_equal(hb_trace_writer_epoch(t, 4, 4 * S + 200000000, last, 1), 0);
        assert_int_equal(hb_trace_writer_close(t, &w->e), 0);
}

static void export(struct world *w, const char *name, struct hb_export_options o,
                   struct hb_export_stats *ret) {
        if (hb_export(w->trace, out_as(w, name), &o, ret, &w->e) < 0)
                fail_msg("%s: %s (%s)", name, w->e.what, w->e.which);
}

static void csv(void **state) {
        struct world *w = *state;
        struct hb_export_stats s;
        size_t n;
        char *text;

        make_trace(w);
        export(w, "t.csv", (struct hb_export_options){0}, &s);
        text = contents(w->out, &n);
        assert_string_equal(text, "window_s,page,reads,writes\n0.0000003,3,1,2\n0.0000003,5,0,1\n"
                                  "0.9999999,3,2,0\n0.9999999,99,1,0\n3.2,3,0,1\n");
        assert_int_equal(s.records, 5);
        assert_int_equal(s.epochs, 4);
        assert_int_equal(s.accesses, 8);
        assert_int_equal(s.out_bytes, n);
        assert_false(s.cut);
        free(text);
}

/* Every epoch with accesses comes back with its number, its time and its pages. */
static void same_epochs(const char *a, const char *b, bool times, bool kinds) {
        hb_trace_reader *r[2];
        struct hb_trace_item item[2];
        unsigned epochs = 0;

        assert_int_equal(hb_trace_reader_open(a, &r[0], NULL), 0);
        assert_int_equal(hb_trace_reader_open(b, &r[1], NULL), 0);
        for (int got = 1; got == 1;) {
                int other;

                do
                        got = hb_trace_reader_next(r[0], &item[0], NULL);
                while (got == 1 && (item[0].kind != HB_TRACE_EPOCH || item[0].naccess == 0));
                other = hb_trace_reader_next(r[1], &item[1], NULL);
                assert_int_equal(got, other);
                if (got != 1)
                        break;
                epochs++;
                assert_int_equal(item[0].epoch, item[1].epoch);
                assert_true(!times || item[0].time_ns == item[1].time_ns);
                assert_int_equal(item[0].naccess, item[1].naccess);
                for (size_t i = 0; i < item[0].naccess; i++) {
                        const struct hb_trace_access *x = &item[0].access[i], *y = &item[1].access[i];

                        assert_int_equal(x->gfn, y->gfn);
                        assert_int_equal(x->reads + x->writes, y->reads + y->writes);
                        assert_true(!kinds || x->reads == y->reads);
                }
        }
        assert_true(epochs > 0);
        hb_trace_reader_free(r[0]);
        hb_trace_reader_free(r[1]);
}

static void import(struct world *w, const char *from) {
        struct hb_import_options o = {.stop_fd = -1, .replace = true};
        struct hb_import_stats s;
        struct stat st;

        if (hb_import(from, w->back, &o, &s, &w->e) < 0)
                fail_msg("%s (%s)", w->e.what, w->e.which);
        assert_int_equal(stat(w->back, &st), 0);
        assert_int_equal(s.out_bytes, st.st_size);
}

static void round_trips(void **state) {
        static const struct {
                const char *name;
                bool times, kinds;
        } ways[] = {{"t.csv", true, true},
                    {"t.csv.zst", true, true},
                    {"t.oracleGeneral", false, false},
                    {"t.bin.zst", false, false}};
        struct world *w = *state;

        make_trace(w);
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                export(w, ways[i].name, (struct hb_export_options){0}, NULL);
                import(w, w->out);
                same_epochs(w->trace, w->back, ways[i].times, ways[i].kinds);
        }
}

static uint64_t le(const char *p, unsigned n) {
        uint64_t v = 0;

        for (unsigned i = 0; i < n; i++)
                v |= (uint64_t)(uint8_t)p[i] << (8 * i);
        return v;
}

static void oracle(void **state) {
        /* clock, object, number of the object's next record */
        static const int64_t records[][3] = {{0, 3, 2}, {0, 3, 3}, {0, 3, 5},   {0, 5, -1},
                                             {1, 3, 6}, {1, 3, 8}, {1, 99, -1}, {3, 3, -1}},
                             once[][3] = {{0, 3, 3}, {0, 5, -1}, {1, 3, 5}, {1, 99, -1}, {3, 3, -1}};
        struct world *w = *state;

        make_trace(w);
        for (int round = 0; round < 2; round++) {
                const int64_t(*want)[3] = round ? once : records;
                size_t n, k = round ? 5 : 8;
                char *text;

                export(w, "t.oracle", (struct hb_export_options){.once = round, .replace = true}, NULL);
                text = contents(w->out, &n);
                assert_int_equal(n, 24 * k);
                for (size_t i = 0; i < k; i++) {
                        assert_int_equal(le(text + 24 * i, 4), want[i][0]);
                        assert_int_equal(le(text + 24 * i + 4, 8), want[i][1]);
                        assert_int_equal(le(text + 24 * i + 12, 4), 4096);
                        assert_true((int64_t)le(text + 24 * i + 16, 8) == want[i][2]);
                }
                free(text);
        }
}

static int one_row(void *arg, int columns, char **values, char **names) {
        char *out = arg;
        size_t n = strlen(out);

        for (int i = 0; i < columns; i++)
                n += (size_t)snprintf(out + n, 1000 - n, "%s%s",
                                      i   ? ","
                                      : n ? " "
                                          : "",
                                      values[i] ? values[i] : "NULL");
        return 0;
}

static void sql(sqlite3 *db, const char *query, const char *expected) {
        char out[1000] = "", *error = NULL;

        if (sqlite3_exec(db, query, one_row, out, &error) != SQLITE_OK)
                fail_msg("%s: %s", query, error);
        assert_string_equal(out, expected);
}

static void sqlite(void **state) {
        struct world *w = *state;
        struct hb_export_stats s;
        sqlite3 *db;

        make_trace(w);
        export(w, "t.db", (struct hb_export_options){0}, &s);
        assert_int_equal(s.events, 4);
        assert_int_equal(sqlite3_open_v2(w->out, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        sql(db, "PRAGMA integrity_check", "ok");
        sql(db, "PRAGMA user_version", "1");
        sql(db,
            "SELECT key, value FROM meta WHERE key IN "
            "('guest','pages','epoch_ns','exact_reads','region.0.ram')",
            "epoch_ns,1000000000 exact_reads,0 guest,vm1 pages,128 region.0.ram,0 128");
        sql(db, "SELECT * FROM epochs",
            "1,1000000300,2,1,3 2,1999999900,2,3,0 3,3000000000,0,0,0 4,4200000000,1,0,1");
        sql(db, "SELECT * FROM accesses ORDER BY epoch, page", "1,3,1,2 1,5,0,1 2,3,2,0 2,99,1,0 4,3,0,1");
        sql(db, "SELECT id, time_ns, epoch, stream FROM events",
            "1,1000000305,1,network 2,1000000306,1,transfer 3,1000000307,1,input 4,1000000308,1,mark");
        sql(db, "SELECT latency_s, free_bytes_per_s, page, text FROM events WHERE stream='network'",
            "0.0002,90000000.0,NULL,NULL");
        sql(db, "SELECT page, pages, of_epoch, wire_bytes, failed FROM events WHERE stream='transfer'",
            "7,2,1,4321,1");
        sql(db, "SELECT hex(data) FROM events WHERE stream='input'", "616263");
        sql(db, "SELECT kind, value, text = 'it''s ' || char(27) || '[31m' FROM events WHERE stream='mark'",
            "digest,-2,1");
        sqlite3_close(db);
}

/* Windows stay apart and never go below 0 when epochs end sooner than their length. */
static void early_epochs(void **state) {
        struct world *w = *state;
        struct hb_trace_header h = {
                .page_size = 4096, .epoch_ns = S, .origin = HB_TRACE_SYNTHETIC, .flags = HB_TRACE_COUNTS};
        hb_trace_writer *t;
        size_t n;
        char *text;

        assert_int_equal(hb_shape_add(&h.shape, "ram", 128 * 4096, 4096, NULL), 0);
        assert_int_equal(hb_trace_writer_new(w->trace, &h, NULL, &t, NULL), 0);
        for (uint32_t i = 1; i < 4; i++)
                assert_int_equal(hb_trace_writer_epoch(t, i, i * 1000, last, 1), 0);
        assert_int_equal(hb_trace_writer_close(t, NULL), 0);
        export(w, "t.csv", (struct hb_export_options){0}, NULL);
        text = contents(w->out, &n);
        assert_string_equal(text,
                            "window_s,page,reads,writes\n0,3,0,1\n0.000000001,3,0,1\n0.000000002,3,0,1\n");
        free(text);
}

static void refuse(struct world *w, const char *name, struct hb_export_options o, int code) {
        assert_int_equal(hb_export(w->trace, out_as(w, name), &o, NULL, &w->e), code);
        assert_true(w->e.what[0] && w->e.which[0]);
}

static void refusals(void **state) {
        struct world *w = *state;
        struct hb_export_options o = {0};
        char *text;
        size_t n;
        int fd;

        make_trace(w);
        refuse(w, "t.unknown", o, -EINVAL);
        refuse(w, "t.db.zst", o, -EINVAL);
        refuse(w, "no/folder.csv", o, -ENOENT);
        fd = open(out_as(w, "there.csv"), O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "mine", 4), 4);
        close(fd);
        refuse(w, "there.csv", o, -EEXIST);
        text = contents(w->out, &n);
        assert_string_equal(text, "mine");
        free(text);
        assert_int_equal(mkdir(out_as(w, "folder.csv"), 0700), 0);
        refuse(w, "folder.csv", (struct hb_export_options){.replace = true}, -EEXIST);
        assert_int_equal(symlink("there.csv", out_as(w, "link.csv")), 0);
        refuse(w, "link.csv", (struct hb_export_options){.replace = true}, -EEXIST);
        assert_int_equal(files(w), 4); /* the trace and what was put there here */
        assert_int_equal(hb_export("/nonexistent/t.hbt", out_as(w, "x.csv"), &o, NULL, &w->e), -ENOENT);
        assert_int_equal(hb_export(w->dir, out_as(w, "x.csv"), &o, NULL, &w->e) < 0, 1);
}

static const char *const outputs[] = {"x.csv", "x.csv.zst", "x.oracle", "x.db"};
#define OUTPUTS (sizeof(outputs) / sizeof(outputs[0]))

/* A trace with a damaged block is not exported in part. */
static void damaged(void **state) {
        struct world *w = *state;
        struct hb_export_options o = {0};
        struct stat st;
        int fd;

        make_trace(w);
        assert_int_equal(stat(w->trace, &st), 0);
        fd = open(w->trace, O_RDWR);
        for (off_t at = st.st_size / 4; at < st.st_size * 3 / 4; at += 7)
                assert_int_equal(pwrite(fd, "\xAA\x55", 2, at), 2);
        close(fd);
        for (size_t i = 0; i < OUTPUTS; i++) {
                assert_true(hb_export(w->trace, out_as(w, outputs[i]), &o, NULL, &w->e) < 0);
                assert_int_equal(files(w), 1);
        }
}

static bool stop_later(void *arg, const struct hb_export_stats *s) {
        return --*(int *)arg < 0;
}

static void stopped_anywhere(void **state) {
        struct world *w = *state;
        unsigned stops = 0;

        make_trace(w);
        for (size_t i = 0; i < OUTPUTS; i++)
                for (int after = 0;; after++) {
                        int left = after;
                        struct hb_export_options o = {.progress = stop_later, .arg = &left};
                        int r = hb_export(w->trace, out_as(w, outputs[i]), &o, NULL, &w->e);

                        if (r == 0)
                                break;
                        stops++;
                        assert_int_equal(r, -EINTR);
                        assert_int_equal(files(w), 1 + i);
                }
        assert_true(stops >= OUTPUTS);
}

static off_t size_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static void every_failure_leaves_nothing(void **state) {
        struct world *w = *state;
        struct hb_import_options import_options = {.stop_fd = -1};
        unsigned met = 0, failed = 0;
        off_t whole[OUTPUTS];

        make_trace(w);
        for (size_t i = 0; i < OUTPUTS; i++) {
                export(w, outputs[i], (struct hb_export_options){0}, NULL);
                whole[i] = size_of(w->out);
                unlink(w->out);
        }
        for (size_t i = 0; i < OUTPUTS; i++)
                for (unsigned n = 1; hb_fail_nth(n); n++) {
                        struct hb_export_options o = {0};
                        int r = hb_export(w->trace, out_as(w, outputs[i]), &o, NULL, &w->e);

                        if (hb_fault_passed() < n) {
                                assert_int_equal(r, 0);
                                continue;
                        }
                        met++;
                        if (r == 0) { /* survived: the reader can do without an index. Then it is whole */
                                assert_int_equal(size_of(w->out), whole[i]);
                                unlink(w->out);
                        }
                        assert_true(r == 0 || w->e.what[0]);
                        failed += r < 0;
                        assert_int_equal(files(w), 1 + i);
                }
        hb_fault_disarm();
        assert_true(failed > 20 && met - failed <= OUTPUTS);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = hb_import(out_as(w, "x.csv"), w->back, &import_options, NULL, &w->e);

                if (hb_fault_passed() < n) {
                        assert_int_equal(r, 0);
                        continue;
                }
                met++;
                assert_true(r < 0 && w->e.what[0]);
                if (access(w->back, F_OK) == 0) /* all was written; the folder could not be made to last */
                        unlink(w->back);
                assert_int_equal(files(w), 1 + OUTPUTS);
        }
        hb_fault_disarm();
        assert_true(met > 20);
}

static void import_refusals(void **state) {
        struct world *w = *state;
        struct hb_import_options o = {.stop_fd = -1};
        int ends[2], fd;

        assert_int_equal(hb_import(w->dir, w->back, &o, NULL, &w->e), -EISDIR);
        assert_int_equal(hb_import(w->dir, "-", &o, NULL, &w->e), -EINVAL);
        assert_int_equal(hb_import("/nonexistent", w->back, &o, NULL, &w->e), -ENOENT);
        fd = open(out_as(w, "in.csv"), O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "0,1,1,1\n0,1,1\n", 14), 14);
        assert_int_equal(hb_import(w->out, w->back, &o, NULL, &w->e), -EBADMSG);
        assert_int_equal(files(w), 1);
        assert_int_equal(ftruncate(fd, 8), 0);
        assert_int_equal(hb_import(w->out, w->back, &o, NULL, &w->e), 0);
        assert_int_equal(hb_import(w->out, w->back, &o, NULL, &w->e), -EEXIST);
        o.replace = true;
        assert_int_equal(hb_import(w->out, w->back, &o, NULL, &w->e), 0);
        close(fd);

        /* Nobody writes to the pipe any more, yet it stays open: the stop is heard. */
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(mkfifo(out_as(w, "fifo"), 0600), 0);
        fd = open(w->out, O_RDWR);
        assert_int_equal(write(fd, "r 1\n", 4), 4);
        assert_int_equal(write(ends[1], "x", 1), 1);
        o.stop_fd = ends[0];
        assert_int_equal(hb_import(w->out, w->back, &o, NULL, &w->e), -EINTR);
        close(fd);
        close(ends[0]);
        close(ends[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(csv, setup, teardown),
                cmocka_unit_test_setup_teardown(round_trips, setup, teardown),
                cmocka_unit_test_setup_teardown(oracle, setup, teardown),
                cmocka_unit_test_setup_teardown(sqlite, setup, teardown),
                cmocka_unit_test_setup_teardown(early_epochs, setup, teardown),
                cmocka_unit_test_setup_teardown(refusals, setup, teardown),
                cmocka_unit_test_setup_teardown(damaged, setup, teardown),
                cmocka_unit_test_setup_teardown(stopped_anywhere, setup, teardown),
                cmocka_unit_test_setup_teardown(every_failure_leaves_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(import_refusals, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
