/* The text importers: what each line of each format becomes, and what each wrong line is told. */
#include "import_rig.h"
#include <errno.h>

#define OF(f) ((struct hb_import_options){.format = HB_IMPORT_##f})

static void csv_windows_are_epochs(void **state) {
        rig_gives("window_s,page,reads,writes\n0,5,1,0\n0,3,2,7\n1,5,0,1\n", OF(CSV),
                  "1@1 3/2/7 5/1/0 2@2 5/0/1");
        rig_gives("0,5,1,0\r\n1,5,0,1\r\n4,5,0,1", OF(CSV), "1@1 5/1/0 2@2 5/0/1 5@5 5/0/1");
        /* jitter: no window is lost, and each keeps its time */
        rig_gives("0.0003,1,1,0\n1.0001,1,1,0\n1.9999,1,1,0\n3.0002,1,1,0\n", OF(CSV),
                  "1@1.0003 1/1/0 2@2.0001 1/1/0 3@2.9999 1/1/0 4@4.0002 1/1/0");
        rig_gives("0,1,1,0\n0.1,1,1,0\n0.2,1,1,0\n", (struct hb_import_options){.epoch_ns = 100000000},
                  "1@0.1 1/1/0 2@0.2 1/1/0 3@0.3 1/1/0");
        rig_gives("0,1,1,0\n0,0x1,1,4\n 0 , 2 , 0 , 0 \n", OF(CSV), "1@1 1/2/4");
        rig_gives("0,1,4294967295,0\n0,1,1,18446744073709551615\n", OF(CSV), "1@1 1/4294967295/4294967295");
        rig_gives("0,18446744073709551615,1,0\n0,7,0,1\n",
                  (struct hb_import_options){.format = HB_IMPORT_CSV, .map = HB_IMPORT_PAGES},
                  "1@1 0/1/0 1/0/1");
}

static void csv_of_unix_times_begins_there(void **state) {
        struct rig *r = calloc(1, sizeof(*r));

        assert_int_equal(rig_text(r, "1700000000.5,1,1,0\n1700000002.5,1,1,0\n"), 0);
        assert_string_equal(rig_said(r), "1@1 1/1/0 3@3 1/1/0");
        assert_true(r->header.begins_unix_ns == 1700000000500000000ull);
        assert_true(r->stats.guessed && r->stats.format == HB_IMPORT_CSV);
        assert_int_equal(r->stats.accesses, 2);
        free(r);
}

static void csv_wrong(void **state) {
        rig_refuses("window_s,page,reads\n0,1,1,1\n", OF(CSV), -EBADMSG, "input line 1", "heading");
        rig_refuses("window_s,page,reads,writes\n0,1,1,1\n0,1,1\n", OF(CSV), -EBADMSG, "input line 3",
                    "found the line's end");
        rig_refuses("0,1,1,1\nwindow_s,page,reads,writes\n", OF(CSV), -EBADMSG, "line 2", "\"window_s");
        rig_refuses("0,1,1,1\n\n", OF(CSV), -EBADMSG, "line 2", "four numbers");
        rig_refuses("0,-1,1,1\n", OF(CSV), -EBADMSG, "line 1", "\"-1,1,1\"");
        rig_refuses("0,1,1,1,1\n", OF(CSV), -EBADMSG, "line 1", "\",1\"");
        rig_refuses("0,1,1,18446744073709551616\n", OF(CSV), -EBADMSG, "line 1", "18446744073709551616");
        rig_refuses("1,1,1,1\n0.999999999,1,1,1\n", OF(CSV), -EBADMSG, "line 2", "0.999999999 s is before");
        rig_refuses("0,4294967296,1,1\n", OF(CSV), -ERANGE, "line 1", "4294967296 is no page number");
        rig_refuses("0,1,0,0\n", OF(CSV), -ENODATA, "input", "no access");
        rig_refuses("window_s,page,reads,writes\n", OF(CSV), -ENODATA, "input", "no access");
        rig_refuses("0,\x1b[31m,1,1\n", OF(CSV), -EBADMSG, "line 1", "\"?[31m,1,1\"");
        rig_refuses("99999999999999,1,1,1\n", OF(CSV), -EBADMSG, "line 1", "99999999999999");
}

static void lackey(void **state) {
        const char *text =
                "==12== Lackey, an example Valgrind tool\n==12== \nI  0401ab70,3\n S 1fff000708,8\n"
                " L 1fff000ffc,8\n M 0401b000,4\n--12-- a warning\n\n";

        /* blocks in the order of their first touch: the stack's 0, the data's 1 */
        rig_gives(text, OF(LACKEY), "1@1 0/1/1 1/1/0 539/1/1");
        rig_gives(text, (struct hb_import_options){.fetches = true}, "1@1 26/1/0 27/1/1 512/1/1 513/1/0");
        rig_gives(text, (struct hb_import_options){.epoch_accesses = 1},
                  "1@1 0/0/1 2@2 0/1/0 1/1/0 3@3 539/1/1");
        rig_gives(text, (struct hb_import_options){.epoch_accesses = 2}, "1@1 0/1/1 1/1/0 2@2 539/1/1");
        rig_gives(text, (struct hb_import_options){.epoch_accesses = 1, .from_ns = 1000000000},
                  "2@2 0/1/0 1/1/0 3@3 539/1/1");
        rig_gives(text, (struct hb_import_options){.epoch_accesses = 1, .to_ns = 2000000000},
                  "1@1 0/0/1 2@2 0/1/0 1/1/0");
        rig_gives(text, (struct hb_import_options){.page_size = 2u << 20}, "1@1 0/1/1 1/1/1");
}

static void lackey_wrong(void **state) {
        rig_refuses("==1== \n L 1000\n", OF(LACKEY), -EBADMSG, "line 2", "expected \"I  ADDRESS,SIZE\"");
        rig_refuses(" L 1000,0\n", OF(LACKEY), -EBADMSG, "line 1", "0 bytes at 0x1000");
        rig_refuses(" L 1000,2097153\n", OF(LACKEY), -EBADMSG, "line 1", "2097153 bytes");
        rig_refuses(" L ffffffffffffffff,2\n", OF(LACKEY), -EBADMSG, "line 1", "inside 64 bits");
        rig_refuses(" L 10000000000000000,2\n", OF(LACKEY), -EBADMSG, "line 1", "found");
        rig_refuses(" L 1000,8\nhello\n", OF(LACKEY), -EBADMSG, "line 2", "found \"hello\"");
        rig_refuses("I  1000,8\n", OF(LACKEY), -ENODATA, "input", "no access");
}

static void plain_text(void **state) {
        rig_gives("r 0x1000\nw 4096 8\n# a comment\n\nR 0x1ffc 8 # two pages\nstore,0x1000,1\n", OF(TEXT),
                  "1@1 1/2/2 2/1/0");
        rig_gives("10.5 r 0x1000\n10.75 w 0x1000 4\n12.5 r 0x2000\n", OF(TEXT), "1@1 1/1/1 3@3 2/1/0");
        rig_gives("10.5 r 0x1000\n10.75 w 0x1000 4\n12.5 r 0x2000\n",
                  (struct hb_import_options){.epoch_ns = 250000000}, "1@0.25 1/1/0 2@0.5 1/0/1 9@2.25 2/1/0");
        /* neighbours inside a block stay neighbours, blocks come in the order of their first touch */
        rig_gives("r 0x7fff00200000\nr 0x10003000\nr 0x7fff00201000\nr 0x10001000\n", OF(TEXT),
                  "1@1 0/1/0 1/1/0 513/1/0 515/1/0");
        rig_gives("r 0x3000\n", (struct hb_import_options){.map = HB_IMPORT_KEEP}, "1@1 3/1/0");
}

static void plain_text_wrong(void **state) {
        rig_refuses("r 7fff00\n", OF(TEXT), -EBADMSG, "line 1", "an address, 0x hex or decimal");
        rig_refuses("r 0x\n", OF(TEXT), -EBADMSG, "line 1", "an address");
        rig_refuses("r 0x11111111111111111\n", OF(TEXT), -EBADMSG, "line 1", "an address");
        rig_refuses("x 0x1000\n", OF(TEXT), -EBADMSG, "line 1", "time in seconds or r or w");
        rig_refuses("1.0 r 0x1000\nr 0x1000\n", OF(TEXT), -EBADMSG, "line 2", "a time, which earlier");
        rig_refuses("r 0x1000\n1.0 r 0x1000\n", OF(TEXT), -EBADMSG, "line 2", "no time");
        rig_refuses("2 r 0x1000\n1 r 0x1000\n", OF(TEXT), -EBADMSG, "line 2", "before the one before it");
        rig_refuses("r 0x1000 8 9\n", OF(TEXT), -EBADMSG, "line 1", "the line's end, found \"9\"");
        rig_refuses("r 0x1000 -8\n", OF(TEXT), -EBADMSG, "line 1", "a size");
        rig_refuses("r\n", OF(TEXT), -EBADMSG, "line 1", "r or w");
        rig_refuses("1. r 0x1000\n", OF(TEXT), -EBADMSG, "line 1", "\"1. r");
}

static void perf_columns(void **state) {
        rig_gives("14522.241610: cpu/mem-loads,ldlat=30/P:     55b02bf75240\n"
                  "14522.241636: cpu/mem-stores/P:     55b02bf76110\n"
                  "14523.500000: cpu/mem-stores/P:     55b02bf76110\n",
                  OF(PERF), "1@1 373/1/0 374/0/1 2@2 374/0/1");
        rig_gives(
                "# captured on: today\n"
                "  my prog 18161 [001] 10.420205001:     250000 cpu/mem-loads/P:     7f0000001000  68100142 "
                "|OP LOAD|LVL L1 hit|SNP None\n"
                "\t    7f2d1c622c2a init+0x59a (/usr/lib/ld.so)\n\n"
                "  my prog 18161 [001] 10.420206001:     250000 ibs_op//:     7f0000001000  68100142 "
                "|OP STORE|LVL L1 hit|SNP None\n"
                "  my prog 18161 [001] 10.420207001:          1 page-faults:     7f0000002000 sym+0x1 (x.so) "
                "ffffffff817554ea elf_load+0x28a ([kernel.kallsyms])\n"
                "  my prog 18161 [001] 10.420208001:          1 page-faults:                0\n",
                OF(PERF), "1@1 1/1/1 2/1/0");
        rig_gives("cpu/mem-stores/P:     55b02bf76110\n cpu/mem-loads/P:     55b02bf76110\n", OF(PERF),
                  "1@1 374/1/1");
        rig_gives("1.000000: page-faults: 1000\n",
                  (struct hb_import_options){.format = HB_IMPORT_PERF, .unknown = HB_IMPORT_AS_WRITES},
                  "1@1 1/0/1");
}

static void perf_wrong(void **state) {
        rig_refuses("1.000000: page-faults: 1000\n",
                    (struct hb_import_options){.format = HB_IMPORT_PERF, .unknown = HB_IMPORT_SKIP}, -ENODATA,
                    "input", "no access");
        rig_refuses("1.000000: page-faults: ffffffff817554ea elf_load+0x28a ([kernel.kallsyms])\n", OF(PERF),
                    -EBADMSG, "line 1", "not an instruction's");
        rig_refuses("1.000000: page-faults: 0x1000\n", OF(PERF), -EBADMSG, "line 1", "found \"x1000\"");
        rig_refuses("1.000000: page-faults: 1000\nhello world\n", OF(PERF), -EBADMSG, "line 2",
                    "\"hello world\"");
        rig_refuses("1.000000: page-faults: 1000\npage-faults: 1000\n", OF(PERF), -EBADMSG, "line 2",
                    "a time");
        rig_refuses("1.000000: page-faults: 1000\n0.999999: page-faults: 1000\n", OF(PERF), -EBADMSG,
                    "line 2", "before");
        rig_refuses("1.000000: page-faults:\n", OF(PERF), -EBADMSG, "line 1", "found the line's end");
        rig_refuses("1.000000: page-faults: 11111111111111111\n", OF(PERF), -EBADMSG, "line 1", "found");
}

static void guesses(void **state) {
        static const struct {
                const char *text;
                enum hb_import_format f;
        } inputs[] = {{"window_s,page,reads,writes\n0,1,1,1\n", HB_IMPORT_CSV},
                      {"0.5,1,1,1\n", HB_IMPORT_CSV},
                      {"\n# one\nr 1\n", HB_IMPORT_TEXT},
                      {"0.5 w 0x1000 8\n", HB_IMPORT_TEXT},
                      {"==1== Lackey\n S 1000,8\n", HB_IMPORT_LACKEY},
                      {" S 1000,8\n", HB_IMPORT_LACKEY},
                      {"# ====\nsh 1 5.000000: page-faults: 1000\n", HB_IMPORT_PERF}};

        for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
                struct rig *r = calloc(1, sizeof(*r));

                if (rig_text(r, inputs[i].text) != 0)
                        fail_msg("%s: %s (%s)", inputs[i].text, r->err.what, r->err.which);
                assert_int_equal(r->stats.format, inputs[i].f);
                assert_true(r->stats.guessed);
                free(r);
        }
        rig_refuses("", OF(GUESS), -ENODATA, "input", "empty");
        rig_refuses("hello\n", OF(GUESS), -EBADMSG, "input", "no format known");
        rig_refuses("\x1f\x8b\x08", OF(GUESS), -EBADMSG, "input", "gzip");
        rig_refuses("PERFILE2.....", OF(GUESS), -EBADMSG, "input", "perf's own");
        rig_refuses("\x89HBT\r\n\x1a\n", OF(GUESS), -EBADMSG, "input", "trace already");
}

static void long_lines_and_many(void **state) {
        size_t n = 300000, at = 0;
        char *text = malloc(n * 24), *wide = malloc(200000);
        struct rig *r = calloc(1, sizeof(*r));

        for (size_t i = 0; i < n; i++)
                at += (size_t)sprintf(text + at, "%c 0x%zx\n", i % 3 ? 'r' : 'w', (i % 1000) * 4096);
        r->o.epoch_accesses = 100000;
        assert_int_equal(rig_bytes(r, text, at), 0);
        assert_int_equal(r->stats.accesses, n);
        assert_int_equal(r->stats.lines, n);
        assert_int_equal(r->stats.epochs, 3);
        assert_int_equal(r->stats.records, 3000);
        assert_int_equal(r->a[0].reads + r->a[0].writes, 100);
        free(r);

        /* a comment as long as a line may be, and one byte more */
        memset(wide, '#', 200000);
        memcpy(wide + 65535, "\nr 1\n", 6);
        rig_gives(wide, OF(TEXT), "1@1 0/1/0");
        memset(wide, '#', 70000);
        memcpy(wide + 70000, "\nr 1\n", 6);
        rig_gives(wide, OF(TEXT),
                  "1@1 0/1/0"); /* it fits the buffer: longer ones are refused only when they must be */
        memset(wide, '#', 199999);
        wide[199999] = '\0';
        rig_refuses(wide, OF(TEXT), -EBADMSG, "line 1", "longer than 65536");
        free(text);
        free(wide);
}

static void limits(void **state) {
        struct rig *r = calloc(1, sizeof(*r));
        char text[4096] = "";
        size_t at = 0;

        for (unsigned i = 0; i < 200; i++)
                at += (size_t)snprintf(text + at, sizeof(text) - at, "r 0x%x\n", i * 4096);
        r->o.most_pages = 100;
        assert_int_equal(rig_text(r, text), -E2BIG);
        assert_string_equal(r->err.which, "input line 101");
        memset(r, 0, sizeof(*r));
        r->o.most_pages = 200;
        assert_int_equal(rig_text(r, text), 0);
        assert_int_equal(r->stats.records, 200);
        memset(r, 0, sizeof(*r));
        r->o.most_pages = 100;
        r->o.epoch_accesses = 100;
        assert_int_equal(rig_text(r, text), 0);
        free(r);
}

static void options_are_checked(void **state) {
        rig_refuses("r 1\n", (struct hb_import_options){.page_size = 1000}, -EINVAL, "", "power of two");
        rig_refuses("r 1\n", (struct hb_import_options){.page_size = 4u << 20}, -EINVAL, "", "power of two");
        rig_refuses("r 1\n", (struct hb_import_options){.from_ns = 2, .to_ns = 2}, -EINVAL, "",
                    "ends before");
        rig_refuses("r 1\n", (struct hb_import_options){.epoch_ns = 1000000000000000001}, -EINVAL, "",
                    "longer");
        rig_refuses("r 1\n", (struct hb_import_options){.epoch_accesses = HB_IMPORT_NOT_WHOLE}, -EINVAL,
                    "input", "whole number of accesses");
        rig_gives("9223372036,1,1,0\n", (struct hb_import_options){.epoch_ns = 1000000000000000000},
                  "1@1e+09 1/1/0");
        rig_refuses("9223372037,1,1,0\n", OF(CSV), -EBADMSG, "line 1", "9223372037");
        rig_refuses("r 1\n", (struct hb_import_options){.guest = "a b"}, -EINVAL, "a b", "name");
        rig_refuses("0 r 1\n1 r 1\n", (struct hb_import_options){.from_ns = 5000000000}, -ENODATA, "input",
                    "no access");
}

static void header(void **state) {
        struct rig *r = calloc(1, sizeof(*r));

        assert_int_equal(rig_text(r, " L 1000,8\n"), 0);
        assert_int_equal(r->header.origin, HB_TRACE_IMPORT);
        assert_int_equal(r->header.flags, HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES);
        assert_int_equal(r->header.page_size, 4096);
        assert_string_equal(r->header.guest, "import");
        assert_non_null(strstr(r->header.note, "4000000 accesses are one epoch of 1 s"));
        assert_non_null(strstr(r->header.note, "lackey"));
        memset(r, 0, sizeof(*r));
        r->o = (struct hb_import_options){.guest = "g1", .page_size = 65536};
        assert_int_equal(rig_text(r, "1.000000: x-loads: 1000\n"), 0);
        assert_int_equal(r->header.flags, HB_TRACE_COUNTS); /* samples are never all */
        assert_string_equal(r->header.guest, "g1");
        assert_non_null(strstr(r->header.note, "a page stands for 65536 bytes"));
        free(r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(csv_windows_are_epochs),
                cmocka_unit_test(csv_of_unix_times_begins_there),
                cmocka_unit_test(csv_wrong),
                cmocka_unit_test(lackey),
                cmocka_unit_test(lackey_wrong),
                cmocka_unit_test(plain_text),
                cmocka_unit_test(plain_text_wrong),
                cmocka_unit_test(perf_columns),
                cmocka_unit_test(perf_wrong),
                cmocka_unit_test(guesses),
                cmocka_unit_test(long_lines_and_many),
                cmocka_unit_test(limits),
                cmocka_unit_test(options_are_checked),
                cmocka_unit_test(header),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
