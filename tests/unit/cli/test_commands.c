/* Every command against a scripted daemon on a real socket: what it asks for, what it prints, how it ends. */
#include "fake_daemon.h" /* first: it brings the sockets */

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli_run.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLACEMENT                                                                                            \
        "{\"id\":\"x\",\"guest\":\"vm1\",\"to\":\"b\",\"state\":\"ready\",\"since_s\":12.5,\"pages\":"       \
        "131072,\"resident_pages\":1000,"                                                                    \
        "\"fresh_pages\":990,\"stale_pages\":10,\"absent_pages\":0,\"fetching_pages\":0,\"zero_pages\":5,"   \
        "\"bytes\":4096000,"                                                                                 \
        "\"wire_bytes\":2048000,\"summary_bytes\":512,\"wasted_pages\":13107,\"threshold\":0.25,"            \
        "\"precision\":0.9,\"recall\":-1,"                                                                   \
        "\"rate_bytes_per_s\":1048576,\"link\":{\"latency_ms\":0.4,\"bytes_per_s\":117440512,\"used_"        \
        "share\":0.01,\"compression\":2,"                                                                    \
        "\"cap_bytes_per_s\":0},\"estimate\":{\"downtime_ms\":31,\"time_to_ready_s\":0,\"bytes_after\":"     \
        "40960},\"trend\":\"converging\","                                                                   \
        "\"seconds\":9,\"policies\":{\"predictor\":\"ewma\",\"scorer\":\"cost_benefit\",\"threshold\":"      \
        "\"adaptive\"}}"
#define GUEST                                                                                                \
        "{\"name\":\"vm1\",\"kind\":\"qemu\",\"pid\":42,\"state\":\"running\",\"tracker\":\"present\","      \
        "\"sees\":\"reads and writes\","                                                                     \
        "\"blind\":\"DMA\",\"mappers\":[{\"pid\":7,\"comm\":\"evil\\u001b[2J\",\"region\":\"mem\"}],\"ram_"  \
        "bytes\":536870912,"                                                                                 \
        "\"resident_bytes\":220200960,\"regions\":[{\"name\":\"mem\",\"bytes\":536870912,\"backing\":"       \
        "\"memfd\",\"path\":\"/memfd:m\"}],"                                                                 \
        "\"epoch\":17,\"epoch_ms\":1000,\"dirty_bytes_per_s\":1258291,\"scan_ms\":0.6,\"guest_cost_share\":" \
        "0.004,\"resumed\":true,"                                                                            \
        "\"dma_note\":\"vhost-net\",\"placement\":" PLACEMENT "}"
#define STATUS                                                                                               \
        "{\"host\":\"a\",\"version\":\"0.1.0\",\"uptime_s\":7500,\"guests\":[" GUEST                         \
        "],\"incoming\":[{\"id\":\"y\",\"guest\":\"vm2\","                                                   \
        "\"from\":\"c\",\"state\":\"filling\",\"resident_pages\":100,\"fresh_pages\":50,\"stale_pages\":0,"  \
        "\"absent_pages\":50,"                                                                               \
        "\"fetching_pages\":0,\"pages\":60,\"wasted_pages\":6,\"precision\":0.5,\"recall\":0.25}],"          \
        "\"handovers\":[{\"guest\":\"vm1\","                                                                 \
        "\"role\":\"source\",\"peer\":\"b\",\"state\":\"s-doubt\",\"state_text\":\"asking the "              \
        "target\",\"state_s\":3}]}"
#define MIGRATION                                                                                            \
        "{\"handover\":\"h\",\"guest\":\"vm1\",\"from\":\"a\",\"to\":\"b\",\"result\":\"done\",\"downtime_"  \
        "ms\":31.4,\"total_ms\":180,"                                                                        \
        "\"bytes_after\":430080,\"pages_final\":41,\"nonzero_bytes\":220200960,\"placement\":{\"bytes\":"    \
        "104857600,\"pages\":9,"                                                                             \
        "\"seconds\":12,\"summary_bytes\":65536},\"outcome\":{\"hit\":50000,\"late\":2,\"stale\":39,"        \
        "\"wasted\":120}}"
#define STEP                                                                                                 \
        "{\"state\":\"s-converge\",\"state_text\":\"sending what is "                                        \
        "left\",\"remaining_bytes\":40960,\"trend\":\"converging\"}"

struct fixture {
        struct fake_daemon d;
        struct cli_run run;
        int stop[2];
};

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        fake_start(&f->d);
        assert_int_equal(pipe2(f->stop, O_CLOEXEC), 0);
        f->run.io = (struct hb_cli_io){.socket = f->d.path, .interrupt_fd = -1};
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        cli_forget(&f->run);
        fake_stop(&f->d);
        close(f->stop[0]);
        close(f->stop[1]);
        free(f);
        return 0;
}

/* The daemon's answer to one command from now on. */
static void answers(struct fixture *f, const char *cmd, const char *result) {
        f->d.rules[0] = (struct fake_rule){.cmd = cmd, .result = result};
}

static void expect(struct fixture *f, const char *line, int exit) {
        if (run_line(&f->run, line) != exit)
                fail_msg("%s: exit %d, wanted %d\n%s%s", line, f->run.exit, exit, f->run.out, f->run.err);
}

static void shows(const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void asked(struct fixture *f, const char *args) {
        assert_string_equal(f->d.last_args, args);
}

/* One line for each command that calls the daemon, with what it sends. */
static const struct {
        const char *line, *cmd, *args, *result;
} calls[] = {
        {"guest attach vm1 --qmp /q", "guest.attach", "{\"name\":\"vm1\",\"qmp\":\"/q\"}", GUEST},
        {"guest attach vm1 --process /p --tracker wp", "guest.attach",
         "{\"name\":\"vm1\",\"process\":\"/p\",\"tracker\":\"wp\"}", GUEST},
        {"guest detach vm1", "guest.detach", "{\"name\":\"vm1\"}", "{}"},
        {"guest list", "guest.list", "{}", "{\"guests\":[" GUEST "]}"},
        {"place vm1 --to b", "place", "{\"guest\":\"vm1\",\"host\":\"b\",\"wait\":false}", PLACEMENT},
        {"place vm1 --to b --wait --timeout 2.5", "place",
         "{\"guest\":\"vm1\",\"host\":\"b\",\"timeout_s\":2.5,\"wait\":true}", PLACEMENT},
        {"unplace vm1", "unplace", "{\"guest\":\"vm1\"}", "{}"},
        {"status", "status", "{}", STATUS},
        {"status vm1", "status", "{\"guest\":\"vm1\"}", STATUS},
        {"migrate vm1 --to b", "migrate", "{\"guest\":\"vm1\",\"host\":\"b\"}", MIGRATION},
        {"migrate vm1 --to b --max-downtime 50 --timeout 9", "migrate",
         "{\"guest\":\"vm1\",\"host\":\"b\",\"max_downtime_ms\":50.0,\"timeout_"
         "s\":9.0}",
         MIGRATION},
        {"migrate vm1 --to b --dry-run", "migrate", "{\"dry_run\":true,\"guest\":\"vm1\",\"host\":\"b\"}",
         "{\"guest\":\"vm1\",\"from\":\"a\",\"to\":\"b\",\"ready\":true,\"can_move\":true,\"why\":\"\","
         "\"estimate\":{\"downtime_ms\":31,"
         "\"time_to_ready_s\":0,\"bytes_after\":40960},\"max_downtime_ms\":300,\"would_refuse\":false}"},
        {"migrate --abort vm1", "migrate.abort", "{\"guest\":\"vm1\"}",
         "{\"guest\":\"vm1\",\"state_text\":\"undoing\"}"},
        {"migrate --recover vm1", "migrate.recover", "{\"guest\":\"vm1\"}",
         "{\"guest\":\"vm1\",\"action\":\"asked again\"}"},
        {"migrate --recover vm1 --keep-source", "migrate.recover", "{\"guest\":\"vm1\",\"keep_source\":true}",
         "{\"guest\":\"vm1\",\"action\":\"resumed\"}"},
        {"image info vm1", "image.info", "{\"guest\":\"vm1\"}",
         "{\"guest\":\"vm1\",\"dir\":\"/i\",\"regions\":[{\"name\":\"mem\",\"path\":\"/i/"
         "mem\",\"bytes\":4096,\"allocated_bytes\":0}],"
         "\"states\":{\"fresh\":1,\"stale\":2,\"absent\":3,\"fetching\":4,\"resident\":10,\"zero\":5},"
         "\"processed\":17}"},
        {"history", "history", "{}", "{\"entries\":[]}"},
        {"history --limit 3", "history", "{\"limit\":3}", "{\"entries\":[]}"},
        {"reload", "reload", "{}", "{}"},
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

static void each_command_asks_what_it_should(void **state) {
        struct fixture *f = *state;
        char line[200];

        for (size_t i = 0; i < NCALLS; i++) {
                json_t *want = json_loads(calls[i].result, 0, NULL), *got;

                answers(f, calls[i].cmd, calls[i].result);
                snprintf(line, sizeof(line), "harbinger %s", calls[i].line);
                expect(f, line, 0);
                asked(f, calls[i].args);
                snprintf(line, sizeof(line), "harbinger --json %s", calls[i].line);
                expect(f, line, 0);
                asked(f, calls[i].args);
                got = json_loads(f->run.out, 0, NULL);
                assert_non_null(want);
                assert_true(json_equal(want, got));
                assert_string_equal(f->run.err, "");
                assert_int_equal(f->run.out[f->run.out_len - 1], '\n');
                assert_true(json_object_size(want) == 0 || strncmp(f->run.out, "{\n  \"", 5) == 0);
                json_decref(want);
                json_decref(got);
        }
}

static void each_command_ends_with_the_codes_exit(void **state) {
        static const int codes[] = {-EIO,   -EINVAL,          -ENOENT, -EACCES,    -ENOTCONN,
                                    -EBUSY, -EPROTONOSUPPORT, -ENOSPC, -ETIMEDOUT, -ECANCELED};
        struct fixture *f = *state;
        char line[200], want[200];

        for (size_t i = 0; i < NCALLS; i++)
                for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
                        json_t *got;

                        f->d.rules[0] = (struct fake_rule){.cmd = calls[i].cmd, .code = codes[k]};
                        snprintf(line, sizeof(line), "harbinger %s", calls[i].line);
                        expect(f, line, (int)hb_cli_exit_of(codes[k]));
                        snprintf(want, sizeof(want),
                                 "harbinger: it does not work: %s (vm1)\n  next: do that\n",
                                 hb_errno_name(codes[k]));
                        assert_string_equal(f->run.err, want);
                        assert_string_equal(f->run.out, "");
                        snprintf(line, sizeof(line), "harbinger %s --json", calls[i].line);
                        expect(f, line, (int)hb_cli_exit_of(codes[k]));
                        got = json_loads(f->run.out, 0, NULL);
                        assert_string_equal(
                                json_string_value(json_object_get(json_object_get(got, "error"), "code")),
                                hb_errno_name(codes[k]));
                        assert_string_equal(f->run.err, "");
                        json_decref(got);
                }
}

static void status_shows_all_at_a_glance(void **state) {
        struct fixture *f = *state;

        answers(f, "status", STATUS);
        expect(f, "harbinger status", 0);
        assert_string_equal(
                f->run.out,
                "host a, harbingerd 0.1.0, up 2 h 5 min\n"
                "\n"
                "GUEST  STATE    TRACKER      RAM  RESIDENT      DIRTY   COST  PLACED ON\n"
                "vm1    running  present  512 MiB   210 MiB  1.2 MiB/s  0.4 %  b\n"
                "\n"
                "PLACEMENT  ON  STATE   FRESH    LEFT       RATE  READY IN  DOWNTIME  TREND\n"
                "vm1        b   ready  99.0 %  40 KiB  1.0 MiB/s      0 ms     31 ms  converging\n"
                "\n"
                "INCOMING  FROM  STATE     FRESH     LEFT  FETCHED  WASTED  PRECISION  RECALL\n"
                "vm2       c     filling  50.0 %  200 KiB  240 KiB  10.0 %     50.0 %  25.0 %\n"
                "\n"
                "HAND-OVER  ROLE    WITH  STATE              SINCE  REASON\n"
                "vm1        source  b     asking the target  3.0 s  -\n");
        assert_string_equal(f->run.err, "");
        answers(f, "status",
                "{\"host\":\"a\",\"version\":\"0.1.0\",\"uptime_s\":1,\"guests\":[],\"incoming\":[],"
                "\"handovers\":[]}");
        expect(f, "harbinger status", 0);
        assert_string_equal(f->run.out, "host a, harbingerd 0.1.0, up 1.0 s\n");
        shows(f->run.err, "guest attach");
}

static void one_guest_is_shown_in_full(void **state) {
        static const char *const parts[] = {"present (went on after a restart, without a gap)\n",
                                            "sees:",
                                            "limits:        DMA\n",
                                            "process 7 (evil?[2J) also maps region mem for writing\n",
                                            "vhost-net",
                                            "512 MiB, 210 MiB of it in use",
                                            "placed on:     b, ready for 12 s\n",
                                            "31 ms of downtime, 40 KiB after the request\n",
                                            "10.0 % wasted",
                                            "precision 90.0 %, recall -, threshold 0.25\n",
                                            "ewma, cost_benefit, adaptive\n",
                                            "packed 2.0 to 1\n",
                                            "region:        mem, 512 MiB, memfd /memfd:m\n"};
        struct fixture *f = *state;

        answers(f, "status", STATUS);
        expect(f, "harbinger status vm1", 0);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                shows(f->run.out, parts[i]);
}

static void objects_may_lack_anything(void **state) {
        static const char *const lines[][2] = {{"guest.attach", "harbinger guest attach vm1 --qmp /q"},
                                               {"guest.list", "harbinger guest list"},
                                               {"place", "harbinger place vm1 --to b"},
                                               {"status", "harbinger status"},
                                               {"status", "harbinger status vm1"},
                                               {"migrate", "harbinger migrate vm1 --to b"},
                                               {"migrate", "harbinger migrate vm1 --to b --dry-run"},
                                               {"migrate.abort", "harbinger migrate --abort vm1"},
                                               {"image.info", "harbinger image info vm1"},
                                               {"history", "harbinger history"}};
        static const char *const results[] = {
                "{}",
                "{\"guests\":[{}],\"entries\":[{}],\"incoming\":[{}],\"handovers\":[{}],\"regions\":[{}]}",
                "{\"guests\":3,\"entries\":{},\"incoming\":null,\"estimate\":null,\"mappers\":{}}"};
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                for (size_t k = 0; k < sizeof(results) / sizeof(results[0]); k++) {
                        answers(f, lines[i][0], results[k]);
                        expect(f, lines[i][1], 0);
                        assert_null(strstr(f->run.out, "nan"));
                }
}

static void a_move_is_told_in_figures(void **state) {
        struct fixture *f = *state;

        answers(f, "migrate", MIGRATION);
        f->d.rules[0].progress[0] = STEP;
        f->d.rules[0].progress[1] = STEP;
        expect(f, "harbinger migrate vm1 --to b", 0);
        assert_string_equal(f->run.out,
                            "moved:         vm1 from a to b\n"
                            "downtime:      31 ms\n"
                            "in all:        180 ms\n"
                            "after request: 420 KiB, 41 pages while it stood still; the guest holds 210 MiB\n"
                            "before it:     100 MiB in 12 s, summaries 64 KiB\n"
                            "pages:         50000 hit, 2 late, 39 stale, 120 wasted\n");
        assert_string_equal(f->run.err, "vm1 -> b: sending what is left, 40 KiB left, converging\n");
        f->run.io.err_tty = true;
        expect(f, "harbinger migrate vm1 --to b", 0);
        shows(f->run.err, "\r\033[Kvm1 -> b: sending what is left");
        assert_string_equal(f->run.err + strlen(f->run.err) - 4, "\r\033[K");
        expect(f, "harbinger migrate vm1 --to b --json", 0);
        assert_string_equal(f->run.err, "");
}

static void a_dry_run_says_whether_and_why_not(void **state) {
        static const struct {
                const char *result, *verdict;
        } cases[] = {{"{\"can_move\":true,\"ready\":true,\"would_refuse\":false}", "verdict:       ready\n"},
                     {"{\"can_move\":true,\"ready\":false,\"would_refuse\":false,\"why\":\"not placed\"}",
                      "verdict:       would go, but is not ready\nbecause:       not placed\n"},
                     {"{\"can_move\":true,\"ready\":true,\"would_refuse\":true}",
                      "verdict:       would be refused\n"},
                     {"{\"can_move\":false,\"ready\":true,\"would_refuse\":true}",
                      "verdict:       cannot move\n"}};
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                answers(f, "migrate", cases[i].result);
                expect(f, "harbinger migrate vm1 --to b --dry-run", 0);
                shows(f->run.out, cases[i].verdict);
        }
}

static void forms_of_migrate_do_not_mix(void **state) {
        static const char *const lines[] = {"harbinger migrate vm1",
                                            "harbinger migrate --abort --recover vm1",
                                            "harbinger migrate vm1 --to b --abort",
                                            "harbinger migrate vm1 --keep-source --to b",
                                            "harbinger migrate --recover vm1 --dry-run",
                                            "harbinger migrate --abort vm1 --timeout 3",
                                            "harbinger place vm1 --to b --timeout 3",
                                            "harbinger guest attach vm1",
                                            "harbinger guest attach vm1 --qmp /a --process /b"};
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                expect(f, lines[i], HB_EXIT_USAGE);
                shows(f->run.err, "  next: ");
        }
        assert_string_equal(f->d.last_args, "");
}

static void an_interrupt_leaves_the_command_running_and_says_so(void **state) {
        static const char *const lines[][3] = {
                {"place", "harbinger place vm1 --to b --wait", "harbinger unplace vm1"},
                {"migrate", "harbinger migrate vm1 --to b", "harbinger migrate --abort vm1"}};
        struct fixture *f = *state;
        char byte;

        f->run.io.interrupt_fd = f->stop[0];
        for (size_t i = 0; i < 2; i++) {
                f->d.rules[0] = (struct fake_rule){.cmd = lines[i][0], .hold = true};
                assert_int_equal(write(f->stop[1], "x", 1), 1);
                expect(f, lines[i][1], HB_EXIT_ABORTED);
                shows(f->run.err, "goes on in harbingerd");
                shows(f->run.err, lines[i][2]);
                assert_int_equal(read(f->d.asked[0], &byte, 1), 1); /* it had arrived */
                assert_int_equal(read(f->stop[0], &byte, 1), 1);
        }
        assert_int_equal(f->d.nheld, 2);
}

struct pressed {
        struct fake_daemon *d;
        pthread_t who;
};

static void *press_ctrl_c(void *arg) {
        struct pressed *p = arg;
        char byte;

        if (read(p->d->asked[0], &byte, 1) == 1)
                pthread_kill(p->who, SIGINT);
        return NULL;
}

static void ctrl_c_is_such_an_interrupt(void **state) {
        struct fixture *f = *state;
        struct pressed p = {&f->d, pthread_self()};
        sigset_t before, after;
        pthread_t t;

        sigprocmask(SIG_SETMASK, NULL, &before);
        f->d.rules[0] = (struct fake_rule){.cmd = "place", .hold = true};
        assert_int_equal(pthread_create(&t, NULL, press_ctrl_c, &p), 0);
        expect(f, "harbinger place vm1 --to b --wait", HB_EXIT_ABORTED);
        pthread_join(t, NULL);
        shows(f->run.err, "goes on in harbingerd");
        sigprocmask(SIG_SETMASK, NULL, &after);
        assert_false(sigismember(&after, SIGINT));
        assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void no_daemon_is_exit_5(void **state) {
        struct fixture *f = *state;
        char none[100];

        snprintf(none, sizeof(none), "%s-none", f->d.path);
        f->run.io.socket = none;
        for (size_t i = 0; i < NCALLS; i++) {
                char line[200];

                snprintf(line, sizeof(line), "harbinger %s", calls[i].line);
                expect(f, line, HB_EXIT_UNREACHABLE);
                shows(f->run.err, "not running");
                shows(f->run.err, none);
        }
        expect(f, "harbinger status --json", HB_EXIT_UNREACHABLE);
        shows(f->run.out, "\"ECONNREFUSED\"");
}

static void fill_page(char *hex, unsigned char *page) {
        for (int i = 0; i < 4096; i++) {
                page[i] = (unsigned char)(i < 256 ? i : 0);
                sprintf(hex + 2 * i, "%02x", page[i]);
        }
}

static void a_page_comes_raw_as_a_file_or_as_a_dump(void **state) {
        static char hex[8193], result[9000];
        static unsigned char page[4096], back[4097];
        struct fixture *f = *state;
        char path[100], line[200];
        struct stat st;
        int fd;

        fill_page(hex, page);
        snprintf(result, sizeof(result), "{\"guest\":\"vm1\",\"gfn\":31,\"state\":\"fresh\",\"hex\":\"%s\"}",
                 hex);
        answers(f, "image.read", result);
        expect(f, "harbinger image read vm1 0x1f", 0);
        asked(f, "{\"gfn\":31,\"guest\":\"vm1\"}");
        assert_int_equal(f->run.out_len, 4096);
        assert_memory_equal(f->run.out, page, 4096);

        snprintf(path, sizeof(path), "%s/page", f->d.dir);
        snprintf(line, sizeof(line), "harbinger image read vm1 31 -o %s", path);
        expect(f, line, 0);
        assert_int_equal(f->run.out_len, 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, back, sizeof(back)), 4096);
        close(fd);
        unlink(path);
        assert_memory_equal(back, page, 4096);

        f->run.io.out_tty = true;
        f->run.io.no_color = true;
        expect(f, "harbinger image read vm1 31", 0);
        shows(f->run.out, "040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO\n");
        shows(f->run.out, "\n*\nff0  00 00");
        expect(f, "harbinger image read vm1 31 -o /nonexistent/page", HB_EXIT_NOT_FOUND);
        shows(f->run.err, "/nonexistent/page");
        expect(f, "harbinger image read vm1 31 --json", 0);
        shows(f->run.out, "\"hex\": \"0001");
}

static void what_is_no_page_is_not_taken_for_one(void **state) {
        static char hex[8193], result[9000];
        static unsigned char page[4096];
        struct fixture *f = *state;

        fill_page(hex, page);
        hex[77] = 'g';
        snprintf(result, sizeof(result), "{\"hex\":\"%s\"}", hex);
        answers(f, "image.read", result);
        expect(f, "harbinger image read vm1 31", HB_EXIT_MISMATCH);
        answers(f, "image.read", "{\"hex\":\"00\"}");
        expect(f, "harbinger image read vm1 31", HB_EXIT_MISMATCH);
        assert_string_equal(f->run.out, "");
        answers(f, "image.read", "{}");
        expect(f, "harbinger image read vm1 31", HB_EXIT_MISMATCH);
        f->d.rules[0] = (struct fake_rule){.cmd = "image.read", .code = -ESTALE};
        expect(f, "harbinger image read vm1 31", HB_EXIT_REFUSED);
        f->d.rules[0].code = -ENODATA;
        expect(f, "harbinger image read vm1 31", HB_EXIT_NOT_FOUND);
}

static void history_is_a_table(void **state) {
        struct fixture *f = *state;

        answers(f, "history",
                "{\"entries\":[{\"time\":\"2026-01-02T03:04:05Z\",\"kind\":\"migration\",\"guest\":\"vm1\","
                "\"from\":\"a\",\"to\":\"b\","
                "\"result\":\"done\",\"figures\":" MIGRATION
                "},{\"time\":\"2026-01-02T03:00:00Z\",\"kind\":\"migration\",\"guest\":"
                "\"vm2\",\"from\":\"a\",\"to\":\"b\",\"result\":\"aborted\",\"figures\":{\"error\":{\"what\":"
                "\"would not converge\"}}},"
                "{\"time\":\"2026-01-02T02:00:00Z\",\"kind\":\"attach\",\"guest\":\"vm1\",\"from\":\"a\","
                "\"to\":\"\",\"result\":\"done\","
                "\"figures\":{}}]}");
        expect(f, "harbinger history", 0);
        assert_string_equal(f->run.out,
                            "TIME                  WHAT       GUEST  FROM  TO  RESULT   FIGURES\n"
                            "2026-01-02T03:04:05Z  migration  vm1    a     b   done     downtime 31 ms of "
                            "180 ms, 420 KiB after the request\n"
                            "2026-01-02T03:00:00Z  migration  vm2    a     b   aborted  would not converge\n"
                            "2026-01-02T02:00:00Z  attach     vm1    a     -   done     -\n");
}

static void colours_are_for_terminals_that_want_them(void **state) {
        struct fixture *f = *state;

        answers(f, "status", STATUS);
        expect(f, "harbinger status", 0);
        assert_null(strchr(f->run.out, '\033'));
        f->run.io.out_tty = true;
        expect(f, "harbinger status", 0);
        shows(f->run.out, "\033[32mready\033[0m");
        expect(f, "harbinger status --no-color", 0);
        assert_null(strchr(f->run.out, '\033'));
        f->run.io.no_color = true;
        expect(f, "harbinger status", 0);
        assert_null(strchr(f->run.out, '\033'));
}

static void a_full_disk_under_the_output_is_a_failure(void **state) {
        struct fixture *f = *state;
        char *words[] = {(char *)"harbinger", (char *)"status", NULL};
        struct hb_cli_io io = f->run.io;

        answers(f, "status", STATUS);
        io.out = fopen("/dev/full", "w");
        io.err = open_memstream(&f->run.err, &f->run.err_len);
        assert_non_null(io.out);
        assert_int_equal(hb_cli_run(&io, 2, words), HB_EXIT_NO_SPACE);
        fclose(io.out);
        fclose(io.err);
        shows(f->run.err, "cannot write");
}

static void doctor_joins_both_views(void **state) {
        struct fixture *f = *state;

        answers(f, "doctor",
                "{\"checks\":[{\"name\":\"certificate\",\"ok\":\"warn\",\"detail\":\"3 more "
                "days\",\"next\":\"harbinger cert host\"}]}");
        expect(f, "harbinger doctor", 0);
        shows(f->run.out, "kernel");
        shows(f->run.out, "ok    daemon");
        shows(f->run.out,
              "warn  certificate        3 more days\n                         next: harbinger cert host\n");
        answers(f, "doctor",
                "{\"checks\":[{\"name\":\"trackers\",\"ok\":\"fail\",\"detail\":\"none "
                "works\",\"next\":\"\"}]}");
        expect(f, "harbinger doctor", HB_EXIT_FAILED);
        shows(f->run.out, "FAIL  trackers");
        expect(f, "harbinger doctor --json", HB_EXIT_FAILED);
        shows(f->run.out, "\"checks\": [");
        f->d.rules[0] = (struct fake_rule){.cmd = "doctor", .code = -EACCES};
        expect(f, "harbinger doctor", HB_EXIT_FAILED);
        shows(f->run.out, "FAIL  daemon");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(each_command_asks_what_it_should),
                TEST(each_command_ends_with_the_codes_exit),
                TEST(status_shows_all_at_a_glance),
                TEST(one_guest_is_shown_in_full),
                TEST(objects_may_lack_anything),
                TEST(a_move_is_told_in_figures),
                TEST(a_dry_run_says_whether_and_why_not),
                TEST(forms_of_migrate_do_not_mix),
                TEST(an_interrupt_leaves_the_command_running_and_says_so),
                TEST(ctrl_c_is_such_an_interrupt),
                TEST(no_daemon_is_exit_5),
                TEST(a_page_comes_raw_as_a_file_or_as_a_dump),
                TEST(what_is_no_page_is_not_taken_for_one),
                TEST(history_is_a_table),
                TEST(colours_are_for_terminals_that_want_them),
                TEST(a_full_disk_under_the_output_is_a_failure),
                TEST(doctor_joins_both_views),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
