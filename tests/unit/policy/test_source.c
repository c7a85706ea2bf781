/* Where policies come from: bundles gathered by hb.use, their hash, and their bytes. */
#include "base/fault.h"
#include "policy/source_parts.h"
#include "policy_fixture.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
        char dir[64];
};

static void put(const struct folder *d, const char *name, const char *text) {
        char path[256], *slash;
        FILE *file;

        snprintf(path, sizeof path, "%s/%s.lua", d->dir, name);
        slash = strrchr(path, '/');
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static struct folder make(void) {
        struct folder d = {"/tmp/hb-source-XXXXXX"};

        assert_non_null(mkdtemp(d.dir));
        return d;
}

static void drop(struct folder *d) {
        char command[128];

        snprintf(command, sizeof command, "rm -rf '%s'", d->dir);
        assert_int_equal(system(command), 0);
}

#define HEAD "local p = { api = 1, kind = 'scorer', name = 'p', version = '1' }\n"

static int read_p(const struct folder *d, struct hb_policy_source *s, struct hb_err *e) {
        *e = (struct hb_err){0};
        return hb_policy_source_read(d->dir, HB_POLICY_SCORER, "p", s, e);
}

static void test_bundle(void **state) {
        struct folder d = make();
        struct hb_policy_source s;
        struct hb_err e;
        char before[33];

        put(&d, "score/p",
            "local b = hb.use \"lib/b\" -- hb.use 'lib/nothing'\n"
            "local c = hb . use ( 'predict/c' ) --[==[ hb.use(1) ]==]\n"
            "local text = \"hb.use 'x/y'\", 'it''s hb.use', [[ hb.use ]], x.hb.use\n" HEAD
            "function p:score(pages) return b(c(pages)) end return p");
        put(&d, "lib/b", "local c = hb.use [[lib/no]]\n");
        assert_int_equal(read_p(&d, &s, &e), -EINVAL);
        assert_non_null(strstr(e.what, "lib/b.lua:1: hb.use needs a file's name"));
        put(&d, "lib/b", "local c = hb.use'predict/c'\nreturn function(x) return x end");
        put(&d, "predict/c", "return function(pages) return pages.read_heat end");
        assert_int_equal(read_p(&d, &s, &e), 0);
        assert_int_equal(s.parts, 2);
        assert_string_equal(s.part[0].name, "lib/b");
        assert_string_equal(s.part[1].name, "predict/c");
        assert_non_null(hb_policy_source_part(&s, "lib/b"));
        assert_null(hb_policy_source_part(&s, "lib/c"));
        snprintf(before, sizeof before, "%s", s.hash);
        hb_policy_source_free(&s);
        put(&d, "predict/c", "return function(pages) return pages.read_heat * 2 end");
        assert_int_equal(read_p(&d, &s, &e), 0);
        assert_string_not_equal(before, s.hash); /* of a part that only a part uses */
        hb_policy_source_free(&s);
        drop(&d);
}

static void check_refused(const struct folder *d, const char *text, int want, const char *why) {
        struct hb_policy_source s;
        struct hb_err e;

        put(d, "score/p", text);
        assert_int_equal(read_p(d, &s, &e), want);
        if (!strstr(e.what, why))
                fail_msg("%s: '%s' lacks '%s'", text, e.what, why);
}

static void test_refused_uses(void **state) {
        static const char *const names[] = {"../../etc/passwd",
                                            "/etc/passwd",
                                            "lib/../x",
                                            "lib/.x",
                                            "./x",
                                            "lib",
                                            "lib/",
                                            "/x",
                                            "lib/a/b",
                                            "",
                                            "lib/x\\0",
                                            "..",
                                            "lib/..",
                                            "lib/a b",
                                            "lib/x.lua/y"};
        struct folder d = make();
        char text[256];

        put(&d, "lib/x", "return 1");
        for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
                snprintf(text, sizeof text, "\n\nlocal x = hb.use(\"%s\")", names[i]);
                check_refused(&d, text, -EINVAL, "score/p.lua:3: hb.use needs");
        }
        check_refused(&d, "local u = hb.use", -EINVAL, "score/p.lua:1: hb.use needs");
        check_refused(&d, "local u = hb.use('lib/x' .. 'y')", -EINVAL, "hb.use needs");
        check_refused(&d, "hb.use(name)", -EINVAL, "hb.use needs");
        check_refused(&d, "hb.use 'lib/x", -EINVAL, "hb.use needs");
        check_refused(&d, "\nhb.use 'lib/none'", -ENOENT, "score/p.lua:2: hb.use: there is no 'lib/none'");
        drop(&d);
}

static void test_cycles(void **state) {
        struct folder d = make();

        put(&d, "lib/a", "\nreturn hb.use 'lib/b'");
        put(&d, "lib/b", "return hb.use 'lib/a'");
        check_refused(&d, "return hb.use 'lib/a'", -ELOOP, "lib/b.lua:1: hb.use: 'lib/a' uses this file");
        check_refused(&d, "return hb.use 'score/p'", -ELOOP, "score/p.lua:1: hb.use: 'score/p' uses this");
        drop(&d);
}

static void test_too_many(void **state) {
        struct folder d = make();
        char name[32], text[128], *big;

        for (int i = 1; i <= 17; i++) {
                snprintf(name, sizeof name, "lib/f%d", i);
                snprintf(text, sizeof text, i < 17 ? "hb.use 'lib/f%d'" : "return 1", i + 1);
                put(&d, name, text);
        }
        check_refused(&d, "hb.use 'lib/f1'", -E2BIG, "more than 16 files");
        big = calloc(1, HB_POLICY_SOURCE_MAX + 1);
        assert_non_null(big);
        memset(big, ' ', HB_POLICY_SOURCE_MAX);
        for (int i = 1; i <= 4; i++) {
                snprintf(name, sizeof name, "lib/big%d", i);
                put(&d, name, big);
        }
        check_refused(&d, "hb.use 'lib/big1' hb.use 'lib/big2' hb.use 'lib/big3' hb.use 'lib/big4'", -EFBIG,
                      "are larger than");
        free(big);
        drop(&d);
}

/* Loads score/p of the folder as the fixture's policy. */
static int load_p(struct fixture *f, const struct folder *d) {
        struct hb_policy_source s;
        struct hb_err e = {0};
        int rc = read_p(d, &s, &e);

        f->plugin = hb_plugin_free(f->plugin);
        if (rc == 0)
                rc = hb_plugin_new(HB_POLICY_SCORER, "p", &s, &fixture_limits, f->guard, &f->plugin, &e);
        snprintf(f->message, sizeof f->message, "%.220s", rc < 0 ? e.what : "");
        return rc;
}

static void test_used_policy(void **state) {
        struct fixture *f = fixture_new();
        struct folder d = make();

        put(&d, "predict/half",
            "local half = { api = 1, kind = 'predictor', name = 'half', version = '1',\n"
            "  params = { by = { default = 0.5, help = 'share' } } }\n"
            "function half:predict(pages, guest)\n"
            "  return pages.read_heat * self.params.by, pages.write_heat * guest.epoch_s end\n"
            "return half\n");
        put(&d, "score/p",
            "local half, again = hb.use 'predict/half', hb.use 'predict/half'\n" HEAD
            "assert(half == again and half.params.by == 0.5)\n"
            "function p:score(pages, link, guest)\n"
            "  local accesses, writes = half:predict(pages, guest)\n"
            "  return accesses - writes end return p\n");
        if (load_p(f, &d) < 0)
                fail_msg("%s", f->message);
        assert_int_equal(fixture_run(f), 0);
        for (unsigned i = 0; i < f->pages.n; i++)
                assert_true(f->out[0][i] == f->columns[0][i] * 0.5f - f->columns[1][i]);
        drop(&d);
        fixture_free(f);
}

static void test_errors_in_parts(void **state) {
        struct fixture *f = fixture_new();
        struct folder d = make();

        put(&d, "score/p",
            "local x = hb.use 'lib/x'\n" HEAD "function p:score(pages) return x(pages) end return p");
        put(&d, "lib/x", "\nlocal = 3");
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "lib/x.lua:2:"));
        put(&d, "lib/x", "\nreturn function(pages) return pages.nothing + 1 end");
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "refused: lib/x.lua:2:"));
        put(&d, "lib/x", "local y = 1");
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "hb.use: 'lib/x' returns nothing"));
        put(&d, "lib/x", "return { kind = 'scorer', params = { a = 1 } }");
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "lib/x.lua: params must be"));
        drop(&d);
        fixture_free(f);
}

/* What the scan cannot see the sandbox refuses. */
static void test_use_behind_the_scan(void **state) {
        struct fixture *f = fixture_new();
        struct folder d = make();

        put(&d, "lib/x", "return hb['use']('lib/x')");
        put(&d, "score/p", "local x = hb['use']('lib/x')\n" HEAD);
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "there is no 'lib/x' in this policy's bundle"));
        put(&d, "score/p", "local x = hb.use 'lib/x'\n" HEAD);
        assert_int_equal(load_p(f, &d), -EINVAL);
        assert_non_null(strstr(f->message, "is used while it is being loaded"));
        drop(&d);
        fixture_free(f);
}

static void check_same(const struct hb_policy_source *a, const struct hb_policy_source *b) {
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->text, b->text, a->size);
        assert_string_equal(a->chunk, b->chunk);
        assert_string_equal(a->hash, b->hash);
        assert_int_equal(a->parts, b->parts);
        for (unsigned i = 0; i < a->parts; i++) {
                assert_string_equal(a->part[i].name, b->part[i].name);
                assert_int_equal(a->part[i].size, b->part[i].size);
                assert_memory_equal(a->part[i].text, b->part[i].text, a->part[i].size);
                assert_ptr_not_equal(a->part[i].text, b->part[i].text);
        }
}

static void test_pack(void **state) {
        struct hb_policy_source s, again, copy;
        struct folder d = make();
        struct hb_buf bytes = {0};
        enum hb_policy_kind k;
        struct hb_err e;
        char name[64];

        put(&d, "score/p", "hb.use 'lib/b' hb.use 'lib/a'");
        put(&d, "lib/a", "");
        put(&d, "lib/b", "return 1");
        assert_int_equal(read_p(&d, &s, &e), 0);
        assert_int_equal(hb_policy_source_pack(HB_POLICY_SCORER, "p", &s, &bytes), 0);
        for (size_t cut = 0; cut < bytes.len; cut++)
                assert_int_equal(hb_policy_source_unpack(bytes.data, cut, &k, name, &again), -EBADMSG);
        assert_int_equal(hb_policy_source_unpack(bytes.data, bytes.len, &k, name, &again), 0);
        assert_int_equal(k, HB_POLICY_SCORER);
        assert_string_equal(name, "p");
        check_same(&s, &again);
        assert_int_equal(hb_policy_source_copy(&s, &copy), 0);
        check_same(&s, &copy);
        hb_policy_source_free(&again);
        hb_policy_source_free(&copy);
        hb_policy_source_free(&s);
        hb_buf_free(&bytes);
        drop(&d);
}

static void test_gather_later(void **state) {
        struct hb_policy_source s;
        struct folder d = make();
        struct hb_err e = {0};
        char alone[33];

        put(&d, "lib/a", "return 1");
        assert_int_equal(hb_policy_source_set(HB_POLICY_SCORER, "p", "hb.use 'lib/a'", 14, &s), 0);
        snprintf(alone, sizeof alone, "%s", s.hash);
        assert_int_equal(hb_policy_source_gather(d.dir, &s, &e), 0);
        assert_int_equal(s.parts, 1);
        assert_string_not_equal(alone, s.hash);
        hb_policy_source_free(&s);
        drop(&d);
}

static void test_scan_for_methods(void **state) {
        static const char text[] = "pages:model(10) -- pages:other()\n";

        assert_true(hb_policy_scan_method(text, sizeof text - 1, "model"));
        assert_false(hb_policy_scan_method(text, sizeof text - 1, "other"));
        assert_false(hb_policy_scan_method(text, sizeof text - 1, "mode"));
        assert_false(hb_policy_scan_method("model pages.model", 17, "model"));
}

static void test_every_failure_is_told(void **state) {
        struct hb_policy_source s, again, copy;
        struct folder d = make();
        enum hb_policy_kind k;
        struct hb_err e;
        char name[64];
        unsigned told = 0;

        put(&d, "score/p", "hb.use 'lib/b' hb.use 'lib/a'");
        put(&d, "lib/a", "return 2");
        put(&d, "lib/b", "return 1");
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_buf bytes = {0};
                int rc = read_p(&d, &s, &e);

                if (rc < 0) {
                        assert_true(e.code == rc && e.what[0]);
                        told++;
                        continue;
                }
                rc = hb_policy_source_pack(HB_POLICY_SCORER, "p", &s, &bytes);
                if (rc == 0 && (rc = hb_policy_source_unpack(bytes.data, bytes.len, &k, name, &again)) == 0)
                        hb_policy_source_free(&again);
                if (rc == 0 && (rc = hb_policy_source_copy(&s, &copy)) == 0)
                        hb_policy_source_free(&copy);
                told += rc == -ENOMEM;
                assert_true(rc == 0 || rc == -ENOMEM);
                hb_buf_free(&bytes);
                hb_policy_source_free(&s);
        }
        hb_fault_disarm();
        assert_true(told >= 10);
        drop(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bundle),
                cmocka_unit_test(test_refused_uses),
                cmocka_unit_test(test_cycles),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_used_policy),
                cmocka_unit_test(test_errors_in_parts),
                cmocka_unit_test(test_use_behind_the_scan),
                cmocka_unit_test(test_pack),
                cmocka_unit_test(test_gather_later),
                cmocka_unit_test(test_scan_for_methods),
                cmocka_unit_test(test_every_failure_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
