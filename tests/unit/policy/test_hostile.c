/* Hostile policies, all of them: those in hostile/ are refused (or shown to be harmless) when they are
 * loaded, those in hostile/bundles/ when their files are gathered, those in hostile/late/ pass the trial and
 * turn on the host later. */
#include "hostile.h"
#include "map/history.h"
#include "nn/model.h"
#include "policy/lesson.h"
#include <dirent.h>

#define FOLDER HB_SOURCE_DIR "/tests/unit/policy/hostile"

static unsigned each(const char *folder, const char *end, void (*f)(const char *path, void *arg), void *arg) {
        struct dirent **files;
        int n = scandir(folder, &files, NULL, alphasort);
        unsigned tried = 0;
        char path[600];

        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                const char *name = files[i]->d_name;
                size_t length = strlen(name);
                if (name[0] != '.' && length > strlen(end) && !strcmp(name + length - strlen(end), end)) {
                        snprintf(path, sizeof path, "%s/%s", folder, name);
                        f(path, arg);
                        tried++;
                }
                free(files[i]);
        }
        free(files);
        return tried;
}

/* ---- at load ---- */

struct worst {
        struct fixture *f;
        double late;
        char name[600];
};

static void try_one(const char *path, void *arg) {
        struct worst *w = arg;
        double late = hostile_try(w->f, path);

        if (late > w->late) {
                w->late = late;
                snprintf(w->name, sizeof w->name, "%s", strrchr(path, '/') + 1);
        }
}

static void test_all(void **state) {
        struct worst w = {.f = fixture_new(), .name = "none"};
        unsigned tried = each(FOLDER, ".lua", try_one, &w);

        print_message("%u hostile policies; worst overrun of a deadline %.2f ms of CPU time (%s)\n", tried,
                      w.late, w.name);
        assert_true(tried >= 130);
        assert_true(w.late <= HOSTILE_OVERRUN_MS);
        fixture_free(w.f);
}

/* ---- as files that use each other ---- */

static void try_bundle(const char *path, void *arg) {
        static const struct hb_plugin_limits limits = HOSTILE_LIMITS;
        struct fixture *f = arg;
        struct hb_policy_source source;
        struct hb_err e = {0};
        struct hostile h;
        char file[700];
        int rc;

        snprintf(file, sizeof file, "%s/score/p.lua", path);
        hostile_read(file, &h);
        rc = hb_policy_source_read(path, HB_POLICY_SCORER, "p", &source, &e);
        f->plugin = hb_plugin_free(f->plugin);
        if (rc == 0)
                rc = hb_plugin_new(HB_POLICY_SCORER, "p", &source, &limits, f->guard, &f->plugin, &e);
        if (rc != h.want || !strstr(e.what, h.why))
                fail_msg("%s: %s '%s', expected %s '%s'", path, hb_errno_name(rc), e.what,
                         hb_errno_name(h.want), h.why);
        hostile_check_message(e.what);
        free(h.text);
        hostile_check_survivor(f);
}

static void test_bundles(void **state) {
        struct fixture *f = fixture_new();

        assert_true(each(FOLDER "/bundles", "", try_bundle, f) >= 11);
        fixture_free(f);
}

/* ---- after the trial ---- */

/* Everything a placement asks of a policy, until it fails. */
struct world {
        hb_history *history;
        hb_model *model;
        uint32_t *gfn;
        struct hb_policy_observed observed;
        struct hb_policy_run runs[64];
        struct hb_policy_outcome outcome;
        struct hb_policy_pages sample;
};

static void open_world(struct fixture *f, struct world *w) {
        assert_non_null(w->gfn = malloc(HB_POLICY_BATCH * sizeof *w->gfn));
        assert_int_equal(hb_history_new(HB_POLICY_BATCH * 3, &w->history), 0);
        assert_int_equal(hb_model_new(32, 48, 1, &w->model), 0);
        for (uint32_t i = 0; i < HB_POLICY_BATCH; i++) {
                w->gfn[i] = i * 3;
                for (uint32_t at = 1 + i % 17; i % 8 == 0 && at <= 60; at += 7 + i % 5)
                        assert_int_equal(hb_history_note(w->history, w->gfn[i], at, i % 3 == 0), 0);
        }
        for (uint32_t i = 0; i < 64; i++)
                w->runs[i] = (struct hb_policy_run){i * 10, 1 + i % 3, i % 2};
        w->observed = (struct hb_policy_observed){.epoch = 60, .runs = w->runs, .nruns = 64, .accessed = 128};
        f->guest.pages = 100000; /* what late/ waits for */
        f->pages.n = HB_POLICY_BATCH;
        f->pages.gfn = w->gfn;
        f->pages.history = w->history;
        f->pages.window = 60;
        w->sample = f->pages;
        w->sample.n = 300;
        w->outcome = (struct hb_policy_outcome){.lesson = 1, .n = 300, .horizon_s = 10};
}

static void close_world(struct world *w) {
        hb_model_free(w->model);
        hb_history_free(w->history);
        free(w->gfn);
}

static int ask_all(struct fixture *f, struct world *w) {
        struct hb_buf saved = {0};
        int rc = fixture_run(f);

        if (rc == 0)
                rc = fixture_run(f);
        if (rc == 0)
                rc = hb_plugin_observe(f->plugin, &w->observed, &f->guest, f->message, NULL);
        if (rc == 0)
                rc = hb_plugin_rehearse(f->plugin, &w->sample, &f->guest, 1, f->message, NULL);
        if (rc == 0)
                rc = hb_plugin_learn(f->plugin, &w->outcome, &f->guest, f->message, NULL);
        if (rc == 0)
                rc = hb_plugin_save(f->plugin, &saved, f->message);
        if (rc == 0)
                rc = hb_plugin_restore(f->plugin, saved.data, saved.len, f->message);
        hb_buf_free(&saved);
        return rc;
}

struct late {
        struct fixture *f;
        struct world w;
        double worst;
};

static void limits_of(const struct hostile *h, struct hb_plugin_limits *l) {
        *l = (struct hb_plugin_limits)HOSTILE_LIMITS;
        hostile_limit(h, l);
        l->tried = true; /* the trial is the next test's */
}

static void try_late(const char *path, void *arg) {
        struct hb_plugin_limits l;
        struct late *late = arg;
        struct fixture *f = late->f;
        struct hostile h;
        int rc;

        hostile_read(path, &h);
        limits_of(&h, &l);
        assert_int_equal(fixture_load_text(f, h.kind, h.text, h.size, &l), 0);
        hb_plugin_set_model(f->plugin, late->w.model);
        rc = ask_all(f, &late->w);
        if (rc != h.want || (rc < 0 && !strstr(f->message, h.why)))
                fail_msg("%s: %s '%s', expected %s '%s'", path, hb_errno_name(rc), f->message,
                         hb_errno_name(h.want), h.why);
        if (rc == -ETIME && hostile_overrun_ms(f->message) > late->worst)
                late->worst = hostile_overrun_ms(f->message);
        free(h.text);
        f->pages.n = 8;
        hostile_check_survivor(f);
        f->pages.n = HB_POLICY_BATCH;
}

static void test_late(void **state) {
        struct late late = {.f = fixture_new()};
        unsigned tried;

        open_world(late.f, &late.w);
        tried = each(FOLDER "/late", ".lua", try_late, &late);
        print_message("%u that turn later; worst overrun %.2f ms of CPU time\n", tried, late.worst);
        assert_true(tried >= 40);
        assert_true(late.worst <= HOSTILE_OVERRUN_MS);
        close_world(&late.w);
        fixture_free(late.f);
}

/* ---- in a placement: counted, and another answers ---- */

static const char *const folders[HB_POLICY_KINDS] = {"predict", "score", "threshold"};

static hb_policies *open_host(const char *dir, const struct hostile *h) {
        struct hb_policy_options o = {.dir = dir, .deadline_ns = HOSTILE_DEADLINE_NS, .seed = 1};
        hb_policies *p = NULL;
        char path[700];
        struct hb_err e = {0};
        FILE *file;

        if (h) {
                o.names[h->kind] = "p";
                o.memory_bytes = h->want == -ENOMEM ? 4u << 20 : 0;
                o.deadline_ns *= h->want == -ETIME ? 1 : 50;
                snprintf(path, sizeof path, "%s/%s/p.lua", dir, folders[h->kind]);
                assert_non_null(file = fopen(path, "we"));
                assert_int_equal(fwrite(h->text, 1, h->size, file), h->size);
                assert_int_equal(fclose(file), 0);
        }
        if (hb_policies_new(&o, &p, &e) < 0)
                fail_msg("%s", e.what);
        return p;
}

struct answers {
        float accesses[64], writes[64], scores[64];
        double cut;
};

static void ask_host(struct fixture *f, struct world *w, hb_policies *p, struct answers *a) {
        struct hb_policy_pages pages = f->pages;

        pages.n = 64;
        hb_policies_epoch(p, &f->guest);
        hb_policies_observe(p, &w->observed, &f->guest);
        hb_policies_predict(p, &pages, &f->guest, a->accesses, a->writes);
        pages.predicted = a->accesses;
        pages.predicted_writes = a->writes;
        hb_policies_score(p, &pages, &f->guest, &f->link, &f->accuracy, a->scores);
        a->cut = hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, 0.25);
}

struct hosted {
        struct fixture *f;
        struct world w;
        char dir[64];
        unsigned failing;
};

/* Those that fail in what an epoch asks of them: the built-in's answers, to the bit, and the error in the
 * count. */
static void try_hosted(const char *path, void *arg) {
        struct hosted *t = arg;
        struct answers got = {0}, want = {0};
        struct hb_policy_status s;
        hb_policies *p, *plain;
        struct hostile h;

        hostile_read(path, &h);
        p = open_host(t->dir, &h);
        plain = open_host(t->dir, NULL);
        for (unsigned epoch = 0; epoch < 4; epoch++) {
                t->f->guest.now_s = epoch;
                ask_host(t->f, &t->w, p, &got);
                ask_host(t->f, &t->w, plain, &want);
                if (strstr(h.text, "-- in: score\n") || strstr(h.text, "-- in: threshold\n") ||
                    strstr(h.text, "-- in: predict\n"))
                        if (epoch && h.want < 0 && memcmp(&got, &want, sizeof got))
                                fail_msg("%s: the answers are not the built-in's", path);
                for (unsigned i = 0; i < 64; i++)
                        assert_true(isfinite(got.accesses[i]) && isfinite(got.scores[i]));
        }
        hb_policies_status(p, h.kind, &s);
        if (s.errors) {
                t->failing++;
                hostile_check_message(s.last_error);
                if (h.want == -ETIME)
                        assert_true((double)s.max_ns <=
                                    (double)HOSTILE_DEADLINE_NS + HOSTILE_OVERRUN_MS * 1e6);
        }
        hb_policies_free(p);
        hb_policies_free(plain);
        free(h.text);
}

static void test_hosted(void **state) {
        struct hosted t = {.f = fixture_new(), .dir = "/tmp/hb-hostile-XXXXXX"};
        char command[256];

        open_world(t.f, &t.w);
        assert_non_null(mkdtemp(t.dir));
        snprintf(command, sizeof command, "mkdir '%s/predict' '%s/score' '%s/threshold'", t.dir, t.dir,
                 t.dir);
        assert_int_equal(system(command), 0);
        each(FOLDER "/late", ".lua", try_hosted, &t);
        print_message("%u failed in a placement, and were counted\n", t.failing);
        assert_true(t.failing >= 24);
        snprintf(command, sizeof command, "rm -r '%s'", t.dir);
        assert_int_equal(system(command), 0);
        close_world(&t.w);
        fixture_free(t.f);
}

/* ---- memory ---- */

static long resident_kib(void) {
        FILE *file = fopen("/proc/self/statm", "re");
        long pages = 0;

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
        fclose(file);
        return pages * 4;
}

static void try_quick(const char *path, void *arg) {
        struct hostile h;

        hostile_read(path, &h);
        if (h.want != -ETIME && h.want != -ENOMEM)
                hostile_try(arg, path);
        free(h.text);
}

static void test_memory_is_flat(void **state) {
        static const char *const costly[] = {"bomb_tables", "loop_vectors", "observe_bomb", "log_loop"};
        struct fixture *f = fixture_new();
        long first = 0, last;
        char path[600];

        for (unsigned round = 0; round < 4; round++) {
                each(FOLDER, ".lua", try_quick, f);
                for (unsigned i = 0; i < 4; i++) {
                        snprintf(path, sizeof path, FOLDER "/%s.lua", costly[i]);
                        hostile_try(f, path);
                }
                if (round == 1)
                        first = resident_kib();
        }
        last = resident_kib();
        print_message("resident: %ld KiB, two rounds later %ld KiB\n", first, last);
        if (HOSTILE_OVERRUN_MS < 20) /* a sanitizer keeps freed memory for a while */
                assert_true(last - first < 512);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all),
                cmocka_unit_test(test_bundles),
                cmocka_unit_test(test_late),
                cmocka_unit_test(test_hosted),
                cmocka_unit_test(test_memory_is_flat),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
