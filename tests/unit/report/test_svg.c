/* Drawings of others: what is kept, what is not, and that what comes out is well formed whatever went in. */
#include "base/fault.h"
#include "check.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/svg.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int clean(const char *svg, char *text, size_t size) {
        struct hb_buf b = {0};
        int r = hb_svg_clean(svg, strlen(svg), &b);

        snprintf(text, size, "%.*s", (int)b.len, b.data ? (const char *)b.data : "");
        hb_buf_free(&b);
        return r;
}

static void becomes(const char *inside, const char *expected) {
        char svg[2048], text[2048];

        snprintf(svg, sizeof(svg), "<?xml version=\"1.0\"?>\n<svg viewBox='0 0 1 1'>%s</svg>", inside);
        assert_int_equal(clean(svg, text, sizeof(text)), 0);
        assert_string_equal(text, expected);
}

static void test_shapes_are_kept(void **state) {
        becomes("<path d='M1,2 L3,4  '/>", "<path d=\"M1,2 L3,4\"/>");
        becomes("<g transform=\"translate(1,2) rotate(270)\"><text> 0.5</text></g>",
                "<g transform=\"translate(1,2) rotate(270)\"><text> 0.5</text></g>\n");
        becomes("<polygon fill = 'none' points = '1,2 3,4 '/>",
                "<polygon fill=\"none\" points=\"1,2 3,4\"/>");
}

static void test_colours_become_the_pages(void **state) {
        becomes("<path stroke='black'/>", "<path stroke=\"currentColor\"/>");
        becomes("<path stroke='rgb(  3,   0,   0)'/>", "<path class=\"s3\"/>");
        becomes("<rect fill='rgb(  3,   0,   0)'/>", "<rect class=\"f3\"/>");
        becomes("<path stroke='gray' class=\"gridline\"/>", "<path class=\"grid\"/>");
        becomes("<path stroke='url(evil)'/>", "<path stroke=\"currentColor\"/>");
}

static void test_nothing_that_runs_or_refers_outside(void **state) {
        becomes("<script>alert(1)</script><path d='M0'/>", "<path d=\"M0\"/>");
        becomes("<path onclick='alert(1)' style='x' id='a' d='M0'/>", "<path d=\"M0\"/>");
        becomes("<use xlink:href='http://x/'/><image href='x'/><a href='x'><text>go</text></a>", "");
        becomes("<defs><path id='p' d='M0'/><g><text>x</text></g></defs><title>t</title>", "");
        becomes("<path d='M0 http://evil'/>", "<path/>");
        becomes("<text>&lt;script&gt; \"x\"</text>", "<text>?lt?script?gt? ?x?</text>");
        becomes("<!-- <script> --><!DOCTYPE x><g></g><g><g>  </g></g>", "");
        becomes("<foreignObject><text>inside</text></foreignObject><text>out</text>", "<text>out</text>");
        becomes("<svg><path d='M0'/></svg>", "");
}

static void test_what_is_no_drawing_is_refused(void **state) {
        static const char *const bad[] = {"",
                                          "plot",
                                          "<html><path/></html>",
                                          "<svg>",
                                          "<svg><g></svg",
                                          "<svg><path d='M0/></svg>",
                                          "<svg><path d=M0/></svg>",
                                          "<svg><path d='M0'></path></svg>",
                                          "<svg><!-- </svg>",
                                          "<svg></svg2",
                                          "< svg></svg>",
                                          "</svg>"};
        char text[100];

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (clean(bad[i], text, sizeof(text)) != -EBADMSG)
                        fail_msg("taken: %s", bad[i]);
                assert_string_equal(text, "");
        }
}

static void test_depth_is_bounded(void **state) {
        char svg[4096] = "<svg>", text[8];

        for (int i = 0; i < 200; i++)
                strcat(svg, "<g>");
        assert_int_equal(clean(svg, text, sizeof(text)), -EBADMSG);
}

/* ---- HTML ---- */
static void escaped(const char *in, const char *expected) {
        struct hb_buf b = {0};

        hb_html_text(&b, in);
        hb_buf_u8(&b, 0);
        assert_string_equal((const char *)b.data, expected);
        hb_buf_free(&b);
}

static void test_text_is_escaped(void **state) {
        escaped("plain - 1.5", "plain - 1.5");
        escaped("<script>\"x\" & 'y'</script>",
                "&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/script&gt;");
        escaped("caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80");
        escaped("\x1b[31m\n\x7f", "?[31m??");
        escaped("\xff\xc3(\xe2\x82", "?"
                                     "?(?"
                                     "?");
        escaped("\xe2\x80\xae"
                "evil",
                "???evil");        /* right to left from here */
        escaped("\xc2\x9b", "??"); /* a control sequence's begin */
        escaped("\xed\xa0\x80\xc0\xaf", "?????");
}

static void test_numbers_for_people(void **state) {
        char b[48];

        assert_string_equal(hb_html_number(HB_UNIT_BYTES, 1536 * 1024, b), "1.5 MiB");
        assert_string_equal(hb_html_number(HB_UNIT_BYTES, 0, b), "0 B");
        assert_string_equal(hb_html_number(HB_UNIT_SECONDS, 0.0305, b), "30.5 ms");
        assert_string_equal(hb_html_number(HB_UNIT_SECONDS, 2, b), "2 s");
        assert_string_equal(hb_html_number(HB_UNIT_SECONDS, INFINITY, b), "never");
        assert_string_equal(hb_html_number(HB_UNIT_SHARE, NAN, b), "-");
        assert_string_equal(hb_html_number(HB_UNIT_SHARE, 0.12345, b), "0.123");
}

/* ---- the child ---- */
static int run(const char *program, const char *script, struct hb_buf *out, struct hb_err *e) {
        struct hb_buf s = {0};
        int r;

        hb_buf_raw(&s, script, strlen(script));
        r = hb_gnuplot_run(program, &s, out, e);
        hb_buf_free(&s);
        return r;
}

static void test_children_that_do_not_do_well(void **state) {
        char dir[] = "/tmp/hb-report-XXXXXX", path[64], command[256];
        struct hb_buf out = {0};
        struct hb_err e = {0};

        assert_int_equal(run("no-such-gnuplot", "plot x\n", &out, &e), -ENOENT);
        assert_non_null(strstr(e.next, "gnuplot-nox"));
        assert_int_equal(run("/bin/false", "plot x\n", &out, &e), -EIO);
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/endless", dir);
        snprintf(command, sizeof(command), "printf '#!/bin/sh\\nexec cat /dev/zero\\n' >%s && chmod +x %s",
                 path, path);
        assert_int_equal(system(command), 0);
        assert_int_equal(run(path, "plot x\n", &out, &e), -EFBIG); /* stopped, not gathered for ever */
        hb_buf_free(&out);
        snprintf(command, sizeof(command), "printf '#!/bin/sh\\nexec cat\\n' >%s", path);
        assert_int_equal(system(command), 0);
        assert_int_equal(run(path, "the script\n", &out, &e), 0);
        assert_int_equal(out.len, strlen("the script\n")); /* what came in is what it was given */
        hb_buf_free(&out);
        snprintf(command, sizeof(command), "rm -rf %s", dir);
        assert_int_equal(system(command), 0);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = run("/bin/true", "x", &out, &e);

                assert_true(r < 0 || hb_fault_passed() < n);
                hb_buf_free(&out);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_shapes_are_kept),
                cmocka_unit_test(test_colours_become_the_pages),
                cmocka_unit_test(test_nothing_that_runs_or_refers_outside),
                cmocka_unit_test(test_what_is_no_drawing_is_refused),
                cmocka_unit_test(test_depth_is_bounded),
                cmocka_unit_test(test_text_is_escaped),
                cmocka_unit_test(test_numbers_for_people),
                cmocka_unit_test(test_children_that_do_not_do_well),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
