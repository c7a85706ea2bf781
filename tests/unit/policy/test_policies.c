/* hb_policies: loading by name, the built-ins behind every plugin, counting, quarantine, and equal bits for
 * equal inputs. */
#include "base/fault.h"
#include "policy/builtin.h"
#include "policy_fixture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const shipped[HB_POLICY_KINDS] = {"ewma", "cost_benefit", "adaptive"};
static const char *const folders[HB_POLICY_KINDS] = {"predict", "score", "threshold"};

/* Nothing here is about time, and ThreadSanitizer takes a dozen times as much of it. */
#ifdef __SANITIZE_THREAD__
#define DEADLINE_NS 1000000000
#else
#define DEADLINE_NS 100000000
#endif

static hb_policies *open_in(const char *dir, const char *predictor, const char *scorer, const char *threshold,
                            struct hb_err *e) {
        struct hb_policy_options o = {
                .dir = dir, .names = {predictor, scorer, threshold}, .deadline_ns = DEADLINE_NS, .seed = 3};
        hb_policies *p = NULL;
        int rc = hb_policies_new(&o, &p, e);

        assert_true(rc == 0 ? p != NULL : p == NULL && e->code == rc && rc < 0);
        return p;
}

static hb_policies *open_shipped(void) {
        struct hb_err e = {0};
        hb_policies *p = open_in(HB_SOURCE_DIR "/policies", shipped[0], shipped[1], shipped[2], &e);

        if (!p)
                fail_msg("%s", e.what);
        return p;
}

static struct hb_policy_status status_of(const hb_policies *p, enum hb_policy_kind k) {
        struct hb_policy_status s;

        hb_policies_status(p, k, &s);
        return s;
}

/* A folder of policies of the test's own. */
static char *make_dir(void) {
        char *dir = strdup("/tmp/hb-policies-XXXXXX"), path[512];

        assert_non_null(mkdtemp(dir));
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                snprintf(path, sizeof path, "%s/%s", dir, folders[k]);
                assert_int_equal(mkdir(path, 0700), 0);
        }
        return dir;
}

static void write_policy(const char *dir, enum hb_policy_kind k, const char *name, const char *before,
                         const char *method) {
        char path[512];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s/%s.lua", dir, folders[k], name);
        f = fopen(path, "we");
        assert_non_null(f);
        fprintf(f, "local p = { api = 1, kind = '%s', name = '%s', version = '1.2' }\n%s\n%s\nreturn p\n",
                hb_policy_kind_name(k), name, before, method);
        assert_int_equal(fclose(f), 0);
}

static void remove_dir(char *dir) {
        char command[600];

        snprintf(command, sizeof command, "rm -r '%s'", dir);
        assert_int_equal(system(command), 0);
        free(dir);
}

static void test_shipped_equal_builtin(void **state) {
        hb_policies *lua = open_shipped(), *c = open_in(NULL, NULL, NULL, NULL, NULL);
        struct fixture *f = fixture_new();
        float *scores = malloc(3 * HB_POLICY_BATCH * sizeof *scores), *other = scores + HB_POLICY_BATCH,
              *known = other + HB_POLICY_BATCH;

        for (uint32_t i = 0; i < HB_POLICY_BATCH; i++)
                known[i] = i % 3 ? 0.0f : 1.0f;
        for (unsigned round = 0; round < 6; round++) {
                f->pages.known = round % 2 ? known : NULL;
                f->pages.n = round ? 1u + 13001u * round : 5;
                f->pages.run_length = round == 2 ? NULL : f->columns[4];
                f->pages.version_age_s = round == 3 ? NULL : f->columns[3];
                f->guest.horizon_s = 5 + round;
                f->link.free_bytes_per_s = f->link.bytes_per_s / 5 * round;
                f->link.pace_loss = round / 7.0;
                hb_policies_predict(lua, &f->pages, &f->guest, f->out[0], f->out[1]);
                hb_policies_predict(c, &f->pages, &f->guest, scores, other);
                assert_memory_equal(f->out[0], scores, f->pages.n * sizeof *scores);
                assert_memory_equal(f->out[1], other, f->pages.n * sizeof *scores);
                f->pages.predicted = f->out[0];
                f->pages.predicted_writes = f->out[1];
                hb_policies_score(lua, &f->pages, &f->guest, &f->link, &f->accuracy, scores);
                hb_policies_score(c, &f->pages, &f->guest, &f->link, &f->accuracy, other);
                assert_memory_equal(scores, other, f->pages.n * sizeof *scores);
        }
        for (unsigned i = 0; i < 5000; i++) {
                struct hb_policy_link l = {0, 1e8, 1e8 * (i % 7) / 6,  (double)(i % 11) / 10,
                                           0, 1,   (double)(i % 5) / 4};
                struct hb_policy_accuracy a = {.precision = (double)(i % 13) / 6 - 1,
                                               .recall = (double)(i % 17) / 8 - 1,
                                               .wasted_share = (double)(i % 19) / 9 - 1};
                f->guest.dirty_bytes_per_s = 1e7 * (i % 23);
                f->guest.draining = i % 29 == 0;
                f->guest.now_s += (double)(i % 37) / 12;
                a.wasted = 1000.0 * (i % 101);
                double previous = (double)(i % 31) / 10 - 1;
                double x = hb_policies_threshold(lua, f->histogram, &f->guest, &l, &a, previous);
                double y = hb_policies_threshold(c, f->histogram, &f->guest, &l, &a, previous);
                if (x != y)
                        fail_msg("threshold %u: %a != %a", i, x, y);
        }
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status a = status_of(lua, (enum hb_policy_kind)k),
                                        b = status_of(c, (enum hb_policy_kind)k);
                assert_true(!a.builtin && b.builtin && a.errors == 0 && !a.quarantined &&
                            a.calls == b.calls && a.calls > 0);
                assert_true(strlen(a.hash) == 32 && !strcmp(b.hash, "builtin") && !strcmp(a.name, b.name));
                assert_true(a.pages == b.pages && a.total_ns > 0 && a.max_ns <= a.total_ns);
        }
        free(scores);
        fixture_free(f);
        hb_policies_free(lua);
        hb_policies_free(c);
}

static void must_refuse(const char *dir, const char *scorer, int code, const char *what, const char *next) {
        struct hb_err e = {0};

        assert_null(open_in(dir, NULL, scorer, NULL, &e));
        if (e.code != code || !strstr(e.what, what) || (next && !strstr(e.next, next)))
                fail_msg("%s: %d '%s' next '%s'", scorer, e.code, e.what, e.next);
}

static void test_refusals(void **state) {
        char *dir = make_dir(), path[512];
        struct hb_policy_options o = {.dir = dir, .names = {NULL, "good", NULL}, .memory_bytes = 1000};
        hb_policies *p;

        write_policy(dir, HB_POLICY_SCORER, "good", "", "function p:score(pages) return pages.read_heat end");
        write_policy(dir, HB_POLICY_SCORER, "broken", "", "function p:score(pages)\nlocal = 1\nend");
        write_policy(dir, HB_POLICY_SCORER, "divides", "",
                     "function p:score(pages, link) return pages.read_heat * (1 / link.bytes_per_s) end");
        must_refuse(dir, "nobody", -ENOENT, "there is no scorer named 'nobody'",
                    "there are: broken, divides, good");
        must_refuse(dir, "broken", -EINVAL, "score/broken.lua:4: <name> expected near '='", "mend the file");
        must_refuse(dir, "divides", -EINVAL, "score/divides.lua:3: result 1 holds NaN or infinity", NULL);
        must_refuse(dir, "../../etc/passwd", -EINVAL, "not a name of a scorer", NULL);
        must_refuse(dir, "", -EINVAL, "not a name of a scorer", NULL);
        must_refuse(NULL, "good", -EINVAL, "no folder to load policies from", NULL);
        must_refuse("/nonexistent", "good", -ENOENT, "there is no scorer named 'good'",
                    "no policies in /nonexistent/score");
        snprintf(path, sizeof path, "%s/score/folder.lua", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        must_refuse(dir, "folder", -EINVAL, "not a file", NULL);
        snprintf(path, sizeof path, "%s/score/large.lua", dir);
        assert_int_equal(close(creat(path, 0600)), 0);
        assert_int_equal(truncate(path, HB_POLICY_SOURCE_MAX + 1), 0);
        must_refuse(dir, "large", -EFBIG, "larger than", NULL);
        assert_int_equal(hb_policies_new(&o, &p, NULL), -EINVAL);
        o.memory_bytes = 0;
        assert_int_equal(hb_policies_new(&o, &p, NULL), 0);
        assert_null(hb_policies_free(p));
        assert_null(hb_policies_free(NULL));
        remove_dir(dir);
}

/* A plugin that fails now and then: that call gets the built-in's answer, three failures in a row end it for
 * good. */
static void test_fallback_and_quarantine(void **state) {
        char *dir = make_dir();
        struct fixture *f = fixture_new();
        struct hb_err e = {0};
        struct hb_policy_status s;
        hb_policies *p, *c = open_in(NULL, NULL, NULL, NULL, NULL);

        write_policy(dir, HB_POLICY_SCORER, "moody", "",
                     "function p:score(pages) if pages.n == 666 then error('moody') end return "
                     "hb.vec(pages.n, 0.25) end");
        assert_non_null(p = open_in(dir, NULL, "moody", NULL, &e));
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        assert_true(f->out[0][5] == 0.25f);
        for (unsigned i = 0; i < 3; i++) {
                f->pages.n = 666;
                hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
                hb_policies_score(c, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[1]);
                assert_memory_equal(f->out[0], f->out[1], 666 * sizeof(float));
                s = status_of(p, HB_POLICY_SCORER);
                assert_true(s.errors == i + 1 && s.quarantined == (i == 2));
                f->pages.n = 665;
                hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
                assert_true((f->out[0][5] == 0.25f) == !s.quarantined);
        }
        assert_string_equal(s.last_error, "score/moody.lua:3: moody");
        assert_string_equal(s.name, "moody");
        assert_string_equal(s.version, "1.2");
        hb_policies_free(p);
        hb_policies_free(c);
        fixture_free(f);
        remove_dir(dir);
}

/* Failures far apart are forgiven. */
static void test_forgiveness(void **state) {
        char *dir = make_dir();
        struct fixture *f = fixture_new();
        struct hb_err e = {0};
        hb_policies *p;

        write_policy(dir, HB_POLICY_THRESHOLD, "rare", "local calls = 0",
                     "function p:threshold() calls = calls + 1 if calls % 300 == 0 then error('rare') end "
                     "return 0.125 end");
        assert_non_null(p = open_in(dir, NULL, NULL, "rare", &e));
        for (unsigned i = 0; i < 3000; i++) {
                double cut = hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, 0.3);
                if (i % 300 != 299)
                        assert_true(cut == 0.125);
        }
        assert_true(status_of(p, HB_POLICY_THRESHOLD).errors == 10 &&
                    !status_of(p, HB_POLICY_THRESHOLD).quarantined);
        hb_policies_free(p);
        fixture_free(f);
        remove_dir(dir);
}

/* After an overrun the policy starts afresh from the text that was loaded, though the file has changed since.
 */
static void test_overrun_starts_afresh(void **state) {
        char *dir = make_dir();
        struct fixture *f = fixture_new();
        struct hb_err e = {0};
        hb_policies *p;
        double cuts[4];
        struct hb_builtin_memory memory = {0};

        write_policy(dir, HB_POLICY_THRESHOLD, "stuck", "local calls = 0",
                     "function p:threshold(scores) calls = calls + 1 while scores.n == 13 do end return "
                     "calls / 100 end");
        assert_non_null(p = open_in(dir, NULL, NULL, "stuck", &e));
        write_policy(dir, HB_POLICY_THRESHOLD, "stuck", "", "function p:threshold() return -0.5 end");
        for (int i = 0; i < 4; i++) {
                f->histogram[40] = i == 2 ? 13 : 0;
                cuts[i] = hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, 0.3);
        }
        assert_true(cuts[0] == 0.01 && cuts[1] == 0.02); /* the trial left no trace */
        assert_true(cuts[2] ==
                    hb_builtin_threshold(&memory, &f->guest, &f->link, &f->accuracy, 0.3)); /* the built-in */
        assert_true(cuts[3] == 0.01);
        assert_non_null(
                strstr(status_of(p, HB_POLICY_THRESHOLD).last_error, "threshold/stuck.lua:3: stopped after"));
        hb_policies_free(p);
        fixture_free(f);
        remove_dir(dir);
}

static void test_results_are_bounded(void **state) {
        char *dir = make_dir();
        struct fixture *f = fixture_new();
        struct hb_err e = {0};
        hb_policies *p;

        write_policy(dir, HB_POLICY_PREDICTOR, "wild", "",
                     "function p:predict(pages) return pages.read_heat - 100, pages.write_heat * -1 end");
        write_policy(dir, HB_POLICY_SCORER, "wild", "",
                     "function p:score(pages) return pages.read_heat - 100 end");
        write_policy(dir, HB_POLICY_THRESHOLD, "wild", "",
                     "function p:threshold(scores) return scores.previous * 100 end");
        assert_non_null(p = open_in(dir, "wild", "wild", "wild", &e));
        hb_policies_predict(p, &f->pages, &f->guest, f->out[0], f->out[1]);
        for (unsigned i = 0; i < f->pages.n; i++)
                assert_true(f->out[0][i] == fmaxf(f->columns[0][i] - 100, 0) && f->out[1][i] == 0);
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        for (unsigned i = 0; i < f->pages.n; i++)
                assert_true(f->out[0][i] == fminf(fmaxf(f->columns[0][i] - 100, -1), 1));
        assert_true(hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, -0.9) == -1);
        assert_true(hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, 0.9) ==
                    HB_POLICY_CUT_NONE);
        assert_true(hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, NAN) == 0);
        hb_policies_free(p);
        fixture_free(f);
        remove_dir(dir);
}

/* More pages than a batch come in batches; none at all is no call. */
static void test_batches(void **state) {
        const uint32_t n = 2 * HB_POLICY_BATCH + 100;
        float *heat = malloc(n * sizeof *heat), *a = malloc(n * sizeof *a), *w = malloc(n * sizeof *w);
        struct hb_policy_pages pages = {.n = n, .read_heat = heat};
        struct hb_policy_guest g = {.horizon_s = 2};
        hb_policies *p = open_shipped();

        for (uint32_t i = 0; i < n; i++)
                heat[i] = (float)i;
        hb_policies_predict(p, &pages, &g, a, w);
        for (uint32_t i = 0; i < n; i++)
                assert_true(a[i] == 2 * heat[i] && w[i] == 0);
        assert_true(status_of(p, HB_POLICY_PREDICTOR).calls == 3 &&
                    status_of(p, HB_POLICY_PREDICTOR).pages == n);
        pages.n = 0;
        hb_policies_predict(p, &pages, &g, a, w);
        assert_true(status_of(p, HB_POLICY_PREDICTOR).calls == 3);
        hb_policies_free(p);
        free(heat);
        free(a);
        free(w);
}

/* Whatever Lua could make differ from state to state (hash seeds, addresses, randomness) does not. */
static void test_deterministic(void **state) {
        char *dir = make_dir();
        struct fixture *f = fixture_new();
        struct hb_err e = {0};
        float first[1000], *out = f->out[0];

        write_policy(dir, HB_POLICY_SCORER, "mix",
                     "local names = {}\nfor i = 1, 300 do names['k' .. i * 7919 % 1000] = i end\n"
                     "names[tostring({})] = 3 names[tostring(pairs)] = 4",
                     "function p:score(pages) local x = hb.random()\n"
                     "for k, v in pairs(names) do x = x * 0.731 + v * #k % 1.7 end\n"
                     "return pages.read_heat * (x % 1) * 0.001 end");
        for (int run = 0; run < 5; run++) {
                hb_policies *p = open_in(dir, NULL, "mix", NULL, &e);
                if (!p)
                        fail_msg("%s", e.what);
                for (int call = 0; call < 3; call++)
                        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, out);
                assert_int_equal(status_of(p, HB_POLICY_SCORER).errors, 0);
                if (run)
                        assert_memory_equal(out, first, sizeof first);
                else
                        memcpy(first, out, sizeof first);
                hb_policies_free(p);
        }
        fixture_free(f);
        remove_dir(dir);
}

static void test_params_and_tables(void **state) {
        struct fixture *f = fixture_new();

        f->link.used_share = 0.5;
        f->link.confidence = 0.75;
        f->link.pace_loss = 0.125;
        f->accuracy.hit = 4;
        fixture_must_load(
                f, HB_POLICY_SCORER,
                "p.params = { w = { default = 0.5, min = 0, max = 1, help = 'a weight' } }",
                "assert(self.params.w == 0.5 and self == p and hb.api == 1 and hb.buckets == 64)\n"
                "if pages.n ~= 77 then return hb.vec(pages.n) end\n"
                "assert(accuracy.precision == nil and accuracy.recall == nil and accuracy.hit == 4)\n"
                "assert(link.latency_s == 1e-4 and link.used_share == 0.5 and guest.epoch_s == 1 and "
                "guest.draining == false)\n"
                "assert(link.confidence == 0.75 and link.pace_loss == 0.125)\n"
                "assert(#pages.predicted == 77 and #pages.predicted_writes == 77)\n"
                "pages.read_heat = nil; link.latency_s = nil\n" /* does not reach the next call */
                "return hb.vec(pages.n, 1)");
        f->pages.n = 77;
        for (int i = 0; i < 3; i++)
                if (fixture_run(f) < 0)
                        fail_msg("%s", f->message);
        assert_true(f->out[0][76] == 1);
        fixture_free(f);
}

/* The value of `field = "..."` in a piece of Lua. */
static bool find_field(const char *text, const char *field, char *ret, size_t size) {
        char pattern[32];
        const char *at;

        snprintf(pattern, sizeof pattern, "%s = \"", field);
        at = strstr(text, pattern);
        if (at)
                snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(pattern), "\""), at + strlen(pattern));
        return at != NULL;
}

static enum hb_policy_kind kind_of(const char *text) {
        char kind[32];

        assert_true(find_field(text, "kind", kind, sizeof kind));
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                if (!strcmp(kind, hb_policy_kind_name((enum hb_policy_kind)k)))
                        return (enum hb_policy_kind)k;
        fail_msg("kind %s", kind);
        return HB_POLICY_KINDS;
}

/* Loads a text as a host would; it must pass its trial. */
static void must_load(struct fixture *f, const char *text) {
        struct hb_plugin_limits limits = fixture_limits;
        enum hb_policy_kind k = kind_of(text);
        struct hb_policy_source source;
        struct hb_err e = {0};
        char name[64];

        assert_true(find_field(text, "name", name, sizeof name));
        assert_int_equal(hb_policy_source_set(k, name, text, strlen(text), &source), 0);
        f->plugin = hb_plugin_free(f->plugin);
        if (hb_plugin_new(k, name, &source, &limits, f->guard, &f->plugin, &e) < 0)
                fail_msg("%s", e.what);
}

static char *read_text(const char *path) {
        FILE *file = fopen(path, "re");
        char *text = calloc(1, HB_POLICY_SOURCE_MAX);

        if (!file)
                fail_msg("%s: %s", path, strerror(errno));
        assert_true(fread(text, 1, HB_POLICY_SOURCE_MAX - 1, file) > 0);
        fclose(file);
        return text;
}

/* Whole policies in the documentation load, and the first is the worked example but for its comment. */
static void test_documented_policies(void **state) {
        char *doc = read_text(HB_SOURCE_DIR "/docs/POLICY_API.md");
        char *example = read_text(HB_SOURCE_DIR "/examples/policies/score/calm.lua");
        struct fixture *f = fixture_new();
        unsigned found = 0;

        for (char *block = doc, *end; (block = strstr(block, "```lua\n")); block = end + 1) {
                block += strlen("```lua\n");
                end = strstr(block, "```");
                assert_non_null(end);
                *end = 0;
                if (!strstr(block, "api = 1"))
                        continue;
                must_load(f, block);
                if (found++ == 0)
                        assert_string_equal(block, strchr(example, '\n') + 1);
        }
        assert_true(found > 0);
        fixture_free(f);
        free(doc);
        free(example);
}

/* Every file in the policy folder loads under its own name, with what it uses. */
static void test_all_shipped_policies(void **state) {
        unsigned count = 0;

        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                char folder[512];
                struct dirent *d;
                DIR *dir;

                snprintf(folder, sizeof folder, HB_SOURCE_DIR "/policies/%s", folders[k]);
                assert_non_null(dir = opendir(folder));
                while ((d = readdir(dir))) {
                        const char *names[HB_POLICY_KINDS] = {NULL};
                        struct hb_err e = {0};
                        char name[256];
                        hb_policies *p;

                        if (!strstr(d->d_name, ".lua"))
                                continue;
                        snprintf(name, sizeof name, "%.*s", (int)strlen(d->d_name) - 4, d->d_name);
                        names[k] = name;
                        p = open_in(HB_SOURCE_DIR "/policies", names[0], names[1], names[2], &e);
                        if (!p)
                                fail_msg("%s", e.what);
                        assert_string_equal(status_of(p, (enum hb_policy_kind)k).name, name);
                        hb_policies_free(p);
                        count++;
                }
                closedir(dir);
        }
        assert_true(count >= 5);
}

/* pairs and table.sort go by the data alone. */
static void test_orders(void **state) {
        static const char body[] =
                "local t = {}\n"
                "for i = 1, 1000 do t[i] = { key = i * 7919 % 10, id = i } end\n"
                "table.sort(t, function(a, b) return a.key < b.key end)\n"
                "for i = 2, 1000 do\n"
                "  local a, b = t[i - 1], t[i]\n"
                "  assert(a.key < b.key or a.key == b.key and a.id < b.id, 'not sorted, or not stable')\n"
                "end\n"
                "local words = { 'pear', 'fig', 'apple', 'fig' }\n"
                "table.sort(words)\n"
                "assert(table.concat(words, ' ') == 'apple fig fig pear')\n"
                "for n = 0, 40 do\n"
                "  local x = {}\n"
                "  for i = 1, n do x[i] = i * 31 % 17 end\n"
                "  table.sort(x, function(a, b) return a > b end)\n"
                "  assert(#x == n)\n"
                "  for i = 2, n do assert(x[i - 1] >= x[i]) end\n"
                "end\n"
                "assert(not pcall(table.sort, { 1, 'a' }) and not pcall(table.sort, { 1, 2 }, 3))\n"
                "assert(not pcall(table.sort, setmetatable({}, {})))\n"
                "local keys = {}\n"
                "for k, v in pairs({ b = 1, a = 2, [10] = 3, [-1] = 4, [2.5] = 5, [true] = 6, [false] = 7 }) "
                "do\n"
                "  keys[#keys + 1] = tostring(k) .. v\n"
                "end\n"
                "assert(table.concat(keys, ' ') == '-14 2.55 103 false7 true6 a2 b1', table.concat(keys, ' "
                "'))\n"
                "local left = { a = 1, b = 2, c = 3 }\n"
                "for k in pairs(left) do left[k] = nil; left.c = nil end\n"
                "for k in pairs(left) do error(k) end\n"
                "return pages.read_heat\n";
        struct fixture *f = fixture_new();

        fixture_must_load(f, HB_POLICY_SCORER, "", body);
        fixture_free(f);
}

/* Each place that can fail while the three are loaded does so once: an error and nothing left behind, or they
 * work. */
static void test_loading_fails_cleanly(void **state) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies",
                                      .names = {shipped[0], shipped[1], shipped[2]}};
        unsigned refused = 0, loaded = 0;

        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 16) {
                struct hb_err e = {0};
                hb_policies *p = NULL;
                int rc = hb_policies_new(&o, &p, &e);

                assert_true(rc == 0 ? p != NULL : p == NULL && e.code == rc && *e.what);
                if (rc < 0)
                        refused++;
                else
                        loaded++;
                hb_policies_free(p);
        }
        hb_fault_disarm();
        print_message("%u refused, %u loaded all the same\n", refused, loaded);
        assert_true(refused > 10 && loaded > 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_shipped_equal_builtin),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_fallback_and_quarantine),
                cmocka_unit_test(test_forgiveness),
                cmocka_unit_test(test_overrun_starts_afresh),
                cmocka_unit_test(test_results_are_bounded),
                cmocka_unit_test(test_batches),
                cmocka_unit_test(test_deterministic),
                cmocka_unit_test(test_params_and_tables),
                cmocka_unit_test(test_loading_fails_cleanly),
                cmocka_unit_test(test_orders),
                cmocka_unit_test(test_documented_policies),
                cmocka_unit_test(test_all_shipped_policies),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
