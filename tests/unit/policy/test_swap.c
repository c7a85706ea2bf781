/* Policies change places: between two epochs, whole or not at all, with constant memory; who answers when one
 * fails; how state moves; how much time all may take. */
#include "base/clock.h"
#include "base/fault.h"
#include "host_fixture.h"
#include "policy/builtin.h"
#include <malloc.h>
#include <time.h>

#define SCORER    HB_POLICY_SCORER
#define THRESHOLD HB_POLICY_THRESHOLD

static const char says_a[] = "function p:score(pages) return hb.vec(pages.n, 0.25) end";
static const char says_b[] = "function p:score(pages) return hb.vec(pages.n, -0.5) end";
static const char moody[] = "function p:score(pages) if pages.n == 666 then error('moody') end return "
                            "hb.vec(pages.n, 0.75) end";
static const char counts[] = "p.params = { step = { default = 0.01, min = 0, max = 0.1, help = 'a step' } }\n"
                             "local calls = 0\n"
                             "function p:save() calls = calls + 100 return { calls = calls - 100 } end\n"
                             "function p:restore(t) calls = t.calls end\n"
                             "function p:threshold() calls = calls + 1 return calls * self.params.step end";

static float first_score(hb_policies *p, struct fixture *f, uint32_t n) {
        f->pages.n = n;
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        for (uint32_t i = 1; i < n; i++)
                assert_true(f->out[0][i] == f->out[0][0]);
        return f->out[0][0];
}

static double cut(hb_policies *p, struct fixture *f) {
        return hb_policies_threshold(p, f->histogram, &f->guest, &f->link, &f->accuracy, 0.3);
}

static bool is_there(const hb_policies *p, enum hb_policy_kind k, enum hb_policy_place place) {
        struct hb_policy_status s;

        return hb_policies_status_of(p, k, place, &s) == 0;
}

static void named(const hb_policies *p, enum hb_policy_place place, const char *name) {
        if (!name)
                assert_false(is_there(p, SCORER, place));
        else
                assert_string_equal(host_status(p, SCORER, place).name, name);
}

static void test_places(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);

        assert_int_equal(host_do(p, HB_POLICY_PROMOTE, SCORER, NULL), -ENOENT);
        assert_int_equal(host_do(p, HB_POLICY_ROLLBACK, SCORER, NULL), -ENOENT);
        assert_int_equal(host_do(p, HB_POLICY_DROP, SCORER, NULL), -ENOENT);
        host_must(host_shadow(p, SCORER, "second", says_b, false, &err));
        named(p, HB_POLICY_SHADOWING, "second");
        assert_true(first_score(p, f, 9) == 0.25f);
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        named(p, HB_POLICY_ACTIVE, "first"); /* not before the epoch */
        assert_true(first_score(p, f, 9) == 0.25f);
        host_epoch(p);
        assert_true(first_score(p, f, 9) == -0.5f);
        named(p, HB_POLICY_ACTIVE, "second");
        named(p, HB_POLICY_SHADOWING, NULL);
        named(p, HB_POLICY_PREVIOUS, "first");
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        assert_true(first_score(p, f, 9) == -0.5f);
        host_epoch(p);
        assert_true(first_score(p, f, 9) == 0.25f);
        named(p, HB_POLICY_PREVIOUS, "second");
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_epoch(p);
        assert_true(first_score(p, f, 9) == -0.5f);
        host_must(host_shadow(p, SCORER, "third", says_a, false, &err));
        host_must(host_do(p, HB_POLICY_DROP, SCORER, &err));
        named(p, HB_POLICY_SHADOWING, NULL);
        hb_policies_free(p);
        fixture_free(f);
}

/* Several changes before one epoch act as if each had had its own. */
static void test_changes_in_one_epoch(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);

        host_must(host_shadow(p, SCORER, "second", says_b, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        assert_int_equal(host_do(p, HB_POLICY_PROMOTE, SCORER, NULL), -ENOENT);
        host_must(host_shadow(p, SCORER, "third", moody, false, &err));
        named(p, HB_POLICY_SHADOWING, "second");
        host_epoch(p);
        named(p, HB_POLICY_ACTIVE, "second");
        named(p, HB_POLICY_SHADOWING, "third");
        named(p, HB_POLICY_PREVIOUS, "first");
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_epoch(p);
        named(p, HB_POLICY_ACTIVE, "third");
        named(p, HB_POLICY_PREVIOUS, "second");
        host_must(host_shadow(p, SCORER, "fourth", says_a, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        hb_policies_free(p); /* in the midst of it */
        fixture_free(f);
}

static void test_the_builtin_is_a_policy_too(void **state) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW, .kind = SCORER};
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);

        host_must(hb_policies_change(p, &c, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_epoch(p);
        assert_true(host_status(p, SCORER, HB_POLICY_ACTIVE).builtin);
        f->pages.n = 100;
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        hb_builtin_score(&f->pages, &f->link, f->out[1]);
        assert_memory_equal(f->out[0], f->out[1], 100 * sizeof(float));
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_epoch(p);
        assert_true(first_score(p, f, 9) == 0.25f);
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- 1,000 swaps ---- */

static uint64_t thread_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Heap and mappings, KiB. */
static size_t memory_kib(void) {
        unsigned long size = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu", &size), 1);
        fclose(f);
        return size * 4;
}

static void test_thousand_swaps(void **state) {
        const char *bodies[2] = {says_a, says_b};
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);
        uint64_t worst_ns = 0, swaps, exchange_ns;
        size_t begin_kib = 0;

        for (unsigned i = 1; i <= 1000; i++) {
                float before = i % 2 ? 0.25f : -0.5f, after = i % 2 ? -0.5f : 0.25f;
                uint64_t t0;

                host_must(host_shadow(p, SCORER, "other", bodies[i % 2], i > 2, &err));
                assert_true(first_score(p, f, 5) == before);
                host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
                assert_true(first_score(p, f, 5) == before);
                t0 = thread_ns();
                host_epoch(p);
                worst_ns = thread_ns() - t0 > worst_ns ? thread_ns() - t0 : worst_ns;
                assert_true(first_score(p, f, 5) == after);
                if (i == 100)
                        begin_kib = memory_kib();
        }
        hb_policies_swaps(p, &swaps, &exchange_ns);
        print_message("worst epoch %.1f us, worst exchange %.1f us; memory %zu -> %zu KiB\n", worst_ns / 1e3,
                      exchange_ns / 1e3, begin_kib, memory_kib());
        assert_int_equal(swaps, 1000);
        assert_int_equal(host_status(p, SCORER, HB_POLICY_ACTIVE).errors, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        assert_true(worst_ns <= HB_NS_PER_MS); /* CPU: with all of the epoch's work, not the exchange alone */
        assert_true(memory_kib() <= begin_kib + 256);
#endif
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- what is refused ---- */

static int change_raw(hb_policies *p, const void *bytes, size_t size, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW, .kind = SCORER, .source = bytes, .size = size};

        return hb_policies_change(p, &c, e);
}

static void test_half_loaded_never_answers(void **state) {
        static const char *const broken[] = {
                "function p:score(pages) local = 1 end",
                "function p:scores(pages) return pages.read_heat end",
                "function p:score(pages) return pages.read_heat * (1 / 0) end",
                "function p:score(pages) while true do end end",
                "function p:score(pages) return hb.vec(3) end",
                "error('no')",
        };
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW, .kind = SCORER};
        struct hb_buf packed = {0};
        struct hb_err e = {0};

        for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++) {
                struct hb_err why = {0};

                assert_true(host_shadow(p, SCORER, "bad", broken[i], false, &why) < 0 && *why.what);
                named(p, HB_POLICY_SHADOWING, NULL);
        }
        host_pack(SCORER, "good", says_b, &packed);
        for (size_t n = 0; n < packed.len; n += 1 + n / 8)
                if (n)
                        assert_true(change_raw(p, packed.data, n, &e) < 0);
        snprintf(c.name, sizeof c.name, "other"); /* says another name than the bytes do */
        c.source = packed.data;
        c.size = packed.len;
        assert_int_equal(hb_policies_change(p, &c, &e), -EINVAL);
        c.kind = THRESHOLD;
        *c.name = 0;
        assert_int_equal(hb_policies_change(p, &c, &e), -EINVAL);
        c.op = (enum hb_policy_op)99;
        assert_int_equal(hb_policies_change(p, &c, &e), -EINVAL);
        host_epoch(p);
        named(p, HB_POLICY_ACTIVE, "first");
        named(p, HB_POLICY_SHADOWING, NULL);
        assert_true(first_score(p, f, 9) == 0.25f);
        host_must(host_shadow(p, SCORER, "good", says_b, false, &err));
        snprintf(c.name, sizeof c.name, "wrong");
        c = (struct hb_policy_change){.op = HB_POLICY_PROMOTE, .kind = SCORER, .name = "wrong"};
        assert_int_equal(hb_policies_change(p, &c, &e), -ENOENT);
        hb_buf_free(&packed);
        hb_policies_free(p);
        fixture_free(f);
}

/* Each place that can fail in a swap does so once: it happens whole or not at all. */
static void test_swap_fails_cleanly(void **state) {
        struct fixture *f = fixture_new();
        struct hb_buf packed = {0};
        hb_policies *p = host_open(NULL, NULL, NULL);
        unsigned refused = 0, swapped = 0;

        host_pack(SCORER, "second", says_b, &packed);
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 12) {
                struct hb_policy_change c = {.op = HB_POLICY_SHADOW,
                                             .kind = SCORER,
                                             .tried = true,
                                             .source = packed.data,
                                             .size = packed.len};
                struct hb_err e = {0};
                int rc = hb_policies_change(p, &c, &e);

                if (rc == 0)
                        rc = host_do(p, HB_POLICY_PROMOTE, SCORER, &e);
                if (hb_fault_passed() < n)
                        hb_fault_disarm(); /* the last round: nothing has failed, and nothing shall */
                host_epoch(p);
                assert_true(host_status(p, SCORER, HB_POLICY_ACTIVE).builtin == (rc < 0));
                if (rc == 0)
                        assert_true(first_score(p, f, 9) == -0.5f);
                else
                        assert_true(*e.what && !is_there(p, SCORER, HB_POLICY_PREVIOUS));
                refused += rc < 0;
                swapped += rc == 0;
                hb_policies_free(p);
                p = host_open(NULL, NULL, NULL);
        }
        hb_fault_disarm();
        hb_policies_free(p);
        print_message("%u refused, %u happened\n", refused, swapped);
        assert_true(refused > 5 && swapped > 0);
        hb_buf_free(&packed);
        fixture_free(f);
}

/* ---- state ---- */

static void test_state_moves(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, NULL, counts);

        for (int i = 1; i <= 5; i++)
                assert_true(cut(p, f) == 0.01 * i);
        host_must(host_shadow(p, THRESHOLD, "second", counts, false, &err));
        assert_true(cut(p, f) == 0.01 * 6); /* asked to save, and none the wiser */
        host_must(host_do(p, HB_POLICY_PROMOTE, THRESHOLD, &err));
        host_epoch(p);
        assert_true(cut(p, f) == 0.01 * 6); /* went on from five */
        assert_true(cut(p, f) == 0.01 * 7);
        host_must(host_do(p, HB_POLICY_ROLLBACK, THRESHOLD, &err));
        host_epoch(p);
        assert_true(cut(p, f) == 0.01 * 7); /* as it was left */
        hb_policies_free(p);
        fixture_free(f);
}

static void test_state_that_does_not_move(void **state) {
        static const char *const others[] = {
                "function p:restore(t) error('strange') end function p:threshold() return 0.5 end",
                "function p:restore(t) while true do end end function p:threshold() return 0.5 end",
                "function p:threshold() return 0.5 end",
        };
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, NULL, counts);

        for (int i = 0; i < 3; i++) {
                struct hb_policy_status s;

                host_must(host_shadow(p, THRESHOLD, "other", others[i], false, &err));
                s = host_status(p, THRESHOLD, HB_POLICY_SHADOWING);
                assert_true(s.errors == (i < 2) && (i == 2) == !*s.last_error && !s.quarantined);
        }
        host_must(host_do(p, HB_POLICY_PROMOTE, THRESHOLD, &err));
        host_epoch(p);
        assert_true(cut(p, f) == 0.5);
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- failing ---- */

static void answers(const hb_policies *p, const char *who) {
        assert_string_equal(host_status(p, SCORER, HB_POLICY_ACTIVE).answering, who);
}

static void test_last_good_answers(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, says_a, NULL);

        host_must(host_shadow(p, SCORER, "moody", moody, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_epoch(p);
        answers(p, "moody");
        for (int i = 0; i < 3; i++) {
                assert_true(first_score(p, f, 665) == 0.75f);
                assert_true(first_score(p, f, 666) == 0.25f); /* the previous one's */
                assert_true(first_score(p, f, 665) == 0.25f); /* and for the rest of the epoch */
                assert_int_equal(host_status(p, SCORER, HB_POLICY_ACTIVE).errors, i + 1);
                answers(p, "first");
                host_epoch(p);
        }
        assert_true(host_status(p, SCORER, HB_POLICY_ACTIVE).quarantined);
        answers(p, "first");
        assert_true(first_score(p, f, 665) == 0.25f); /* from now on */
        assert_int_equal(host_status(p, SCORER, HB_POLICY_PREVIOUS).errors, 0);
        assert_int_equal(host_status(p, SCORER, HB_POLICY_PREVIOUS).calls, 7);

        /* The one in quarantine does not push the good one out. */
        host_must(host_shadow(p, SCORER, "third", says_b, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_epoch(p);
        named(p, HB_POLICY_PREVIOUS, "first");
        assert_true(first_score(p, f, 9) == -0.5f);
        hb_policies_free(p);
        fixture_free(f);
}

static void test_rolled_back_stands_in_for_nobody(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, moody, NULL);

        host_must(host_shadow(p, SCORER, "second", says_b, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_epoch(p);
        host_must(host_do(p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_epoch(p);
        named(p, HB_POLICY_PREVIOUS, "second");
        f->pages.n = 666;
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        hb_builtin_score(&f->pages, &f->link, f->out[1]);
        assert_memory_equal(f->out[0], f->out[1], 666 * sizeof(float));
        for (int i = 0; i < 2; i++) {
                host_epoch(p);
                hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        }
        answers(p, "cost_benefit");
        assert_string_equal(host_status(p, SCORER, HB_POLICY_ACTIVE).answering_hash, "builtin");
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- params ---- */

static void test_tune(void **state) {
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, NULL, counts);
        struct hb_policy_param param[2];
        struct hb_err e = {0};

        assert_int_equal(hb_policies_params(p, THRESHOLD, HB_POLICY_ACTIVE, param, 2), 1);
        assert_true(!strcmp(param[0].name, "step") && param[0].value == 0.01 && param[0].max == 0.1);
        assert_int_equal(host_tune(p, THRESHOLD, false, "nothing", 1, &e), -ENOENT);
        assert_non_null(strstr(e.what, "has no param 'nothing'"));
        assert_int_equal(host_tune(p, THRESHOLD, false, "step", 0.2, &e), -ERANGE);
        assert_int_equal(host_tune(p, THRESHOLD, false, "step", NAN, &e), -ERANGE);
        assert_int_equal(host_tune(p, THRESHOLD, true, "step", 0.05, &e), -ENOENT);
        assert_int_equal(host_tune(p, SCORER, false, "step", 0.05, &e), -ENOENT);
        host_must(host_tune(p, THRESHOLD, false, "step", 0.03, &err));
        host_must(host_tune(p, THRESHOLD, false, "step", 0.02, &err)); /* the later one counts */
        assert_true(cut(p, f) == 0.01);
        host_epoch(p);
        assert_true(cut(p, f) == 0.04);
        hb_policies_params(p, THRESHOLD, HB_POLICY_ACTIVE, param, 2);
        assert_true(param[0].value == 0.02 && param[0].initial == 0.01);

        host_must(host_shadow(p, THRESHOLD, "second", counts, false, &err));
        host_must(host_tune(p, THRESHOLD, true, "step", 0.05, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, THRESHOLD, &err));
        host_epoch(p);
        assert_true(cut(p, f) == 3 * 0.05);
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- the share ---- */

static const char slow[] = "function p:score(pages) local x = 0\n"
                           "if pages.n == 7 then for i = 1, 3000000 do x = x + i end end\n"
                           "return hb.vec(pages.n, 0.5) end";

static bool answers_itself(hb_policies *p, struct fixture *f) {
        uint64_t before = host_status(p, SCORER, HB_POLICY_ACTIVE).starved;

        f->pages.n = 9;
        hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        return host_status(p, SCORER, HB_POLICY_ACTIVE).starved == before && f->out[0][3] == 0.5f;
}

static void test_share_used_up(void **state) {
        struct hb_policy_options o = {.deadline_ns = 10000000000, .epoch_share = 0.02, .names = {NULL, "s"}};
        struct hb_policy_guest g = {.horizon_s = 10, .epoch_s = 1};
        struct fixture *f = fixture_new();
        struct hb_policy_status s;
        struct hb_err e = {0};
        char *dir = host_dir();
        hb_policies *p;
        unsigned n;

        host_write(dir, SCORER, "s", slow);
        o.dir = dir;
        if (hb_policies_new(&o, &p, &e) < 0)
                fail_msg("%s", e.what);
        assert_true(first_score(p, f, 9) == 0.5f); /* before the first epoch nothing is limited */
        hb_policies_epoch(p, &g);
        f->pages.n = 7;
        for (n = 0; host_status(p, SCORER, HB_POLICY_ACTIVE).starved == 0 && n < 1000; n++)
                hb_policies_score(p, &f->pages, &f->guest, &f->link, &f->accuracy, f->out[0]);
        s = host_status(p, SCORER, HB_POLICY_ACTIVE);
        assert_true(n < 1000 && s.errors == 0 && s.total_ns >= 20000000);
        hb_builtin_score(&f->pages, &f->link, f->out[1]);
        assert_memory_equal(f->out[0], f->out[1], 7 * sizeof(float));
        for (n = 0; n < 10000 && !answers_itself(p, f); n++)
                hb_policies_epoch(p, &g); /* a call longer than the share is paid for by later epochs */
        assert_true(n > 0 && n < 10000);
        o.epoch_share = 1.5;
        assert_int_equal(hb_policies_new(&o, &p, &e), -EINVAL);
        host_remove(dir);
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- any changes in any order, beside a plain model of the places ---- */

struct model {
        int now[3], next[3]; /* who; 0: nobody */
};

static unsigned dice(uint32_t *x, unsigned n) {
        *x = *x * 1664525u + 1013904223u;
        return (*x >> 8) % n;
}

static int try_op(hb_policies *p, struct model *m, enum hb_policy_op op, int who) {
        char body[128], name[16];
        int *next = m->next;

        if (op == HB_POLICY_SHADOW) {
                snprintf(body, sizeof body, "function p:score(pages) return hb.vec(pages.n, %d / 1024) end",
                         who);
                snprintf(name, sizeof name, "p%d", who);
                host_must(host_shadow(p, SCORER, name, body, true, &err));
                if (m->now[1] == next[1])
                        m->now[1] = who;
                next[1] = who;
                return 0;
        }
        if (op == HB_POLICY_ROLLBACK ? !next[2] : !next[1])
                return -ENOENT;
        if (op == HB_POLICY_PROMOTE) {
                next[2] = next[0];
                next[0] = next[1];
                next[1] = 0;
        } else if (op == HB_POLICY_ROLLBACK) {
                int active = next[0];
                next[0] = next[2];
                next[2] = active;
        } else {
                if (m->now[1] == next[1])
                        m->now[1] = 0;
                next[1] = 0;
        }
        return 0;
}

static void compare(const hb_policies *p, const struct model *m) {
        char name[16];

        for (int place = 0; place < 3; place++) {
                snprintf(name, sizeof name, "p%d", m->now[place]);
                named(p, (enum hb_policy_place)place,
                      m->now[place] == 1 ? "first"
                      : m->now[place]    ? name
                                         : NULL);
        }
}

static void test_any_order(void **state) {
        static const char first[] = "function p:score(pages) return hb.vec(pages.n, 1 / 1024) end";
        struct model m = {.now = {1}, .next = {1}};
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, first, NULL);
        uint32_t x = 1;

        for (int i = 2; i < 700; i++) {
                static const enum hb_policy_op ops[] = {HB_POLICY_SHADOW,   HB_POLICY_SHADOW,
                                                        HB_POLICY_PROMOTE,  HB_POLICY_PROMOTE,
                                                        HB_POLICY_ROLLBACK, HB_POLICY_DROP};
                enum hb_policy_op op = ops[dice(&x, 6)];
                int rc = try_op(p, &m, op, i);

                if (op != HB_POLICY_SHADOW)
                        assert_int_equal(host_do(p, op, SCORER, NULL), rc);
                if (dice(&x, 2)) {
                        host_epoch(p);
                        memcpy(m.now, m.next, sizeof m.now);
                }
                compare(p, &m);
                assert_true(first_score(p, f, 3) == (float)m.now[0] / 1024);
        }
        hb_policies_free(p);
        fixture_free(f);
}

/* ---- what they tell ---- */

static void hear(void *arg, enum hb_policy_kind k, const char *policy, const char *line) {
        char *text = arg;
        size_t at = strlen(text);

        snprintf(text + at, 256 - at, "%s %s: %s; ", hb_policy_kind_name(k), policy, line);
}

static void count(void *arg, enum hb_policy_kind k, const char *counter, double value) {
        char *text = arg;
        size_t at = strlen(text);

        snprintf(text + at, 256 - at, "%s %s %g; ", hb_policy_kind_name(k), counter, value);
}

static void test_telling(void **state) {
        static const char tells[] =
                "local calls = 0\n"
                "function p:threshold() calls = calls + 1 hb.log('call ' .. tostring(calls))\n"
                "hb.counter('calls', calls) hb.note('fine') return 0.1 end";
        struct fixture *f = fixture_new();
        hb_policies *p = host_open(NULL, NULL, tells);
        char text[256] = "";

        cut(p, f);
        cut(p, f);
        hb_policies_take_log(p, hear, text);
        assert_string_equal(text, "threshold first: call 1; threshold first: call 2; ");
        *text = 0;
        hb_policies_take_log(p, hear, text);
        assert_string_equal(text, "");
        hb_policies_counters(p, count, text);
        assert_string_equal(text, "threshold calls 2; ");
        assert_string_equal(host_status(p, THRESHOLD, HB_POLICY_ACTIVE).note, "fine");
        assert_true(host_status(p, THRESHOLD, HB_POLICY_ACTIVE).memory_bytes > 1000);
        hb_policies_free(p);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_changes_in_one_epoch),
                cmocka_unit_test(test_the_builtin_is_a_policy_too),
                cmocka_unit_test(test_thousand_swaps),
                cmocka_unit_test(test_half_loaded_never_answers),
                cmocka_unit_test(test_swap_fails_cleanly),
                cmocka_unit_test(test_state_moves),
                cmocka_unit_test(test_state_that_does_not_move),
                cmocka_unit_test(test_last_good_answers),
                cmocka_unit_test(test_rolled_back_stands_in_for_nobody),
                cmocka_unit_test(test_tune),
                cmocka_unit_test(test_share_used_up),
                cmocka_unit_test(test_any_order),
                cmocka_unit_test(test_telling),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
