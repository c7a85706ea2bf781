/* Settings: the defaults, every kind of value at and beyond its limits, and every way a file can be wrong,
 * each with its place. */
#include "base/fault.h"
#include "daemon/settings.h"
#include "daemon/settings_table.h"
#include "transport/tcp.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LEAST "[host]\nname = a\n[peer]\nca = /ca\ncert = /c\nkey = /k\n"

static int parse(const char *text, hb_settings **ret, struct hb_err *e) {
        memset(e, 0, sizeof(*e));
        return hb_settings_parse(text, strlen(text), "f.ini", ret, e);
}

static hb_settings *good(const char *text) {
        struct hb_err e;
        hb_settings *s = NULL;
        char line[1024];

        if (parse(text, &s, &e) < 0)
                fail_msg("%s\nrefused: %s", text, hb_err_line(&e, line, sizeof(line)));
        return s;
}

/* Refused, at line `at` (0: the file as a whole), with `word` in what or next. */
static void bad(const char *text, unsigned at, const char *word) {
        hb_settings *s = (hb_settings *)1;
        struct hb_err e;
        char which[40], line[1024];

        if (parse(text, &s, &e) != -EINVAL)
                fail_msg("accepted:\n%s", text);
        assert_ptr_equal(s, (void *)1);
        snprintf(which, sizeof(which), at ? "f.ini:%u" : "f.ini", at);
        hb_err_line(&e, line, sizeof(line));
        if (strcmp(e.which, which) != 0 || !strstr(line, word) || !e.what[0])
                fail_msg("%s\nsaid: %s\nwanted %s and \"%s\"", text, line, which, word);
}

static void defaults_are_the_documented_ones(void **state) {
        hb_settings *s = good(LEAST);

        assert_string_equal(s->name, "a");
        assert_string_equal(s->run_dir, "/run/harbinger");
        assert_string_equal(s->state_dir, "/var/lib/harbinger");
        assert_string_equal(s->image_dir, "/dev/shm/harbinger");
        assert_string_equal(s->control_socket, "/run/harbinger/control.sock");
        assert_string_equal(s->control_group, "");
        assert_string_equal(s->listen, "0.0.0.0:7311");
        assert_string_equal(s->policy_dir, "/usr/share/harbinger/policies");
        assert_string_equal(s->predictor, "ewma");
        assert_string_equal(s->scorer, "cost_benefit");
        assert_string_equal(s->threshold, "adaptive");
        assert_true(s->horizon_s == 10 && s->budget == 0.01);
        assert_string_equal(s->backend, "auto");
        assert_int_equal(s->epoch_ms, 1000);
        assert_int_equal(s->grace_ms, -1);
        assert_int_equal(s->cap_bytes_per_s, 0);
        assert_int_equal(s->summary_bytes_per_s, 1000000);
        assert_int_equal(s->window_bytes, 8388608);
        assert_int_equal(s->connections, 0);
        assert_true(s->kernel_tls);
        assert_int_equal(s->zstd_level, HB_ZSTD_AUTO);
        assert_int_equal(s->max_downtime_ms, 300);
        assert_int_equal(s->timeout_s, 120);
        assert_false(s->verify);
        assert_int_equal(s->nhosts + s->nguests, 0);
        assert_null(hb_settings_host(s, "b"));
        hb_settings_free(s);
        hb_settings_free(NULL);
}

static void every_row_has_a_sound_default(void **state) {
        static char object[sizeof(struct hb_settings) + 4096];

        for (size_t i = 0; i < hb_setting_count; i++) {
                const struct hb_setting *row = &hb_setting_rows[i];
                const char *text = row->otherwise ? row->otherwise : row->example;
                struct hb_err e;
                size_t known = 0;

                for (size_t k = 0; k < hb_setting_section_count; k++)
                        known += strcmp(hb_setting_sections[k].name, row->section) == 0;
                assert_int_equal(known, 1);
                assert_int_equal(hb_setting_set(row, text, object, &e), 0);
                assert_true(strlen(row->help) > 10 && strlen(row->key) < 50);
                for (size_t k = 0; k < i; k++)
                        assert_false(strcmp(hb_setting_rows[k].section, row->section) == 0 &&
                                     strcmp(hb_setting_rows[k].key, row->key) == 0);
        }
        assert_true(hb_setting_count <= 64); /* settings_parse.c: MAX_ROWS */
}

static void hosts_and_guests_are_listed(void **state) {
        hb_settings *s = good(
                LEAST
                "[host.b]\naddress = 10.0.0.2:7311\nmay_pull = vm* db\n[host.c]\naddress=[2001:db8::1]:1\n"
                "[guest.vm1]\nincoming_command = sh -c 'a; b # c = [d]'\n"
                "[guest.vm2]\nincoming_process=/p\n");
        const struct hb_host_settings *b = hb_settings_host(s, "b");

        assert_int_equal(s->nhosts, 2);
        assert_string_equal(b->address, "10.0.0.2:7311");
        assert_string_equal(b->may_push, "");
        assert_true(hb_settings_allows(b->may_pull, "vm7"));
        assert_false(hb_settings_allows(b->may_push, "vm7"));
        assert_string_equal(hb_settings_host(s, "c")->address, "[2001:db8::1]:1");
        assert_string_equal(hb_settings_guest(s, "vm1")->incoming_command, "sh -c 'a; b # c = [d]'");
        assert_string_equal(hb_settings_guest(s, "vm2")->incoming_process, "/p");
        assert_null(hb_settings_guest(s, "vm3"));
        hb_settings_free(s);
}

static void long_names_are_kept_whole(void **state) {
        static const char name[] = "a23456789-123456789-123456789-123456789-123456789-123456789-123";
        char text[400];
        hb_settings *s;

        assert_int_equal(strlen(name), HB_NAME_MAX - 1);
        snprintf(text, sizeof(text), LEAST "[host.%s]\naddress=1.2.3.4:5\n[host.%.62s4]\naddress=1.2.3.4:6\n",
                 name, name);
        s = good(text);
        assert_string_equal(hb_settings_host(s, name)->address, "1.2.3.4:5");
        assert_int_equal(s->nhosts, 2);
        hb_settings_free(s);
        snprintf(text, sizeof(text), LEAST "[host.%s4]\naddress=1.2.3.4:5\n", name);
        bad(text, 7, "name");
}

static void patterns_match_whole_names(void **state) {
        assert_true(hb_settings_allows("*", "vm1"));
        assert_true(hb_settings_allows("a, vm? ,b", "vm1"));
        assert_true(hb_settings_allows("web-* vm1", "vm1"));
        assert_false(hb_settings_allows("vm", "vm1"));
        assert_false(hb_settings_allows("", "vm1"));
        assert_false(hb_settings_allows(" , ", "vm1"));
        assert_false(hb_settings_allows("vm1x", "vm1"));
}

/* LEAST with one more setting; its line is 8. */
static const char *with(const char *section, const char *setting) {
        static char text[4096];

        snprintf(text, sizeof(text), LEAST "[%s]\n%s\n", section, setting);
        return text;
}

static void values_at_their_limits_pass(void **state) {
        static const char *const cases[][2] = {
                {"tracking", "epoch_ms = 50"},
                {"tracking", "epoch_ms = 60000"},
                {"tracking", "budget = 0"},
                {"tracking", "budget = 0.5"},
                {"tracking", "grace_ms = 0"},
                {"tracking", "grace_ms = auto"},
                {"tracking", "backend = softdirty"},
                {"policy", "horizon_s = 5"},
                {"policy", "horizon_s = 30"},
                {"policy", "horizon_s = 7.25"},
                {"transport", "connections = 16"},
                {"transport", "compression = -7"},
                {"transport", "compression = 3"},
                {"transport", "compression = off"},
                {"transport", "cap_bytes_per_s = 125M"},
                {"transport", "cap_bytes_per_s = 1.5 Gi"},
                {"transport", "window_bytes = 256Ki"},
                {"migration", "verify = yes"},
                {"migration", "verify=off"},
                {"migration", "timeout_s = 86400"},
                {"control", "socket ="},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                hb_settings_free(good(with(cases[i][0], cases[i][1])));
}

static void values_are_what_they_say(void **state) {
        hb_settings *s = good(with(
                "transport",
                "cap_bytes_per_s = 1.5Gi\nwindow_bytes=256 Ki\nsummary_bytes_per_s=20k\ncompression=off"));

        assert_int_equal(s->cap_bytes_per_s, 1610612736);
        assert_int_equal(s->window_bytes, 262144);
        assert_int_equal(s->summary_bytes_per_s, 20000);
        assert_int_equal(s->zstd_level, HB_ZSTD_OFF);
        hb_settings_free(s);
        s = good(with("tracking", "grace_ms = 150\nbudget=0.25"));
        assert_int_equal(s->grace_ms, 150);
        assert_true(s->budget == 0.25);
        hb_settings_free(s);
        s = good("\xEF\xBB\xBF[host]\r\nname : a\r\n; c\r\n  # "
                 "c\r\nrun_dir=/r\r\n[peer]\r\nca=/c\r\ncert=/c\r\nkey=/k");
        assert_string_equal(s->control_socket, "/r/control.sock");
        hb_settings_free(s);
}

static void values_beyond_them_are_refused(void **state) {
        static const char *const cases[][3] = {
                {"tracking", "epoch_ms = 49", "50..60000"},
                {"tracking", "epoch_ms = 60001", "50..60000"},
                {"tracking", "epoch_ms = 1000ms", "50..60000"},
                {"tracking", "epoch_ms = 0x100", "50..60000"},
                {"tracking", "epoch_ms = 1e3", "50..60000"},
                {"tracking", "epoch_ms = ", "50..60000"},
                {"tracking", "epoch_ms = 1000 ; a comment", "50..60000"},
                {"tracking", "epoch_ms = 99999999999999999999999", "50..60000"},
                {"tracking", "epoch_ms = auto", "50..60000"},
                {"tracking", "budget = 0.51", "0..0.5"},
                {"tracking", "budget = -0.1", "0..0.5"},
                {"tracking", "budget = nan", "0..0.5"},
                {"tracking", "budget = inf", "0..0.5"},
                {"tracking", "budget = 1%", "0..0.5"},
                {"tracking", "budget = 1e999", "0..0.5"},
                {"tracking", "grace_ms = -1", "auto or 0..60000"},
                {"tracking", "backend = magic", "auto present wp"},
                {"tracking", "backend = wp hash", "auto present wp"},
                {"tracking", "backend =", "auto present wp"},
                {"tracking", "backend = dirty", "auto present wp"},
                {"policy", "horizon_s = 4.9", "5..30"},
                {"policy", "horizon_s = 31", "5..30"},
                {"policy", "predictor = ../ewma", "letters"},
                {"policy", "dir = policies", "path"},
                {"transport", "connections = 0", "auto or 1..16"},
                {"transport", "connections = 17", "1..16"},
                {"transport", "compression = 4", "auto, off or -7..3"},
                {"transport", "compression = -8", "auto, off or -7..3"},
                {"transport", "compression = 1000", "auto, off or -7..3"},
                {"transport", "cap_bytes_per_s = -1", "0..1000000000000"},
                {"transport", "cap_bytes_per_s = 1Q", "0..1000000000000"},
                {"transport", "cap_bytes_per_s = 2T", "0..1000000000000"},
                {"transport", "cap_bytes_per_s = 0.5", "0..1000000000000"},
                {"transport", "summary_bytes_per_s = 999", "1000..1000000000"},
                {"transport", "window_bytes = 4096", "262144"},
                {"migration", "max_downtime_ms = 0", "1..60000"},
                {"migration", "timeout_s = 0", "1..86400"},
                {"migration", "verify = maybe", "yes or no"},
                {"migration", "verify =", "yes or no"},
                {"control", "socket = control.sock", "path"},
                {"host.b", "address = 10.0.0.2", "IPv4:PORT"},
                {"host.b", "address = 10.0.0.2:0", "IPv4:PORT"},
                {"host.b", "address = 10.0.0.2:65536", "IPv4:PORT"},
                {"host.b", "address = 10.0.0.256:1", "IPv4:PORT"},
                {"host.b", "address = b.example:7311", "IPv4:PORT"},
                {"host.b", "address = 2001:db8::1:7311", "IPv4:PORT"},
                {"host.b", "address = [2001:db8::1:7311", "IPv4:PORT"},
                {"host.b", "address = []:7311", "IPv4:PORT"},
                {"host.b", "address = :7311", "IPv4:PORT"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                bad(with(cases[i][0], cases[i][1]), 8, cases[i][2]);
}

static void texts_too_long_are_refused(void **state) {
        char setting[1300];

        strcpy(setting, "socket = /");
        memset(setting + 10, 's', 107);
        setting[117] = '\0';
        bad(with("control", setting), 8, "107");
        setting[116] = '\0';
        hb_settings_free(good(with("control", setting)));
        strcpy(setting, "incoming_command = ");
        memset(setting + 19, 'c', 1024);
        setting[19 + 1024] = '\0';
        bad(with("guest.vm1", setting), 8, "1023");
        snprintf(setting, sizeof(setting),
                 "[host]\nname=a\nrun_dir=/%0150d\n[peer]\nca=/c\ncert=/c\nkey=/k\n", 1);
        bad(setting, 0, "run_dir");
}

static void mistakes_name_their_line_and_a_remedy(void **state) {
        bad("name = a\n", 1, "[host]");
        bad("[host]\nname = a\n[tracking]\nepcoh_ms = 5\n", 4, "did you mean \"epoch_ms\"");
        bad("[host]\nname = a\n[trakcing]\n", 3, "did you mean [tracking]");
        bad("[host]\nname = a\n[nonsense]\n", 3, "migration");
        bad("[host]\nname = a\nconnections = 3\n", 3, "belongs in [transport]");
        bad("[host]\nname = a\nzzzzzzzz = 3\n", 3, "no setting");
        bad("[host]\nname = a\nname = b\n", 3, "first in line 2");
        bad("[host]\nname = a\n[peer]\nca=/c\ncert=/c\nkey=/k\n[host]\n", 7, "line 1");
        bad(LEAST "[host.b]\naddress=1.2.3.4:5\n[host.b]\naddress=1.2.3.4:5\n", 9, "twice");
        bad("[host]\nname\n", 2, "KEY = VALUE");
        bad("[host]\nname = a\njunk\nepoch = 1\n", 3, "KEY = VALUE");
        bad("[host\nname = a\n", 1, "section");
        bad("[]\n", 1, "section");
        bad("[host] # here\n", 1, "comments");
        bad("[host]\nname = a\x01\n", 2, "control character");
        bad(LEAST "[host.]\naddress=1.2.3.4:5\n", 7, "name");
        bad(LEAST "[host.-b]\naddress=1.2.3.4:5\n", 7, "name");
        bad(LEAST "[host.a/b]\naddress=1.2.3.4:5\n", 7, "name");
        bad(LEAST "[peers.b]\n", 7, "unknown section");
        bad(LEAST "[transport.b]\n", 7, "unknown section");
        bad(LEAST "[host.b]\nmay_pull=*\n", 7, "must set \"address\"");
        bad(LEAST "[host.b]\n[control]\n", 7, "must set \"address\"");
        bad(LEAST "[guest.v]\nincoming_command=\n", 7, "incoming_qmp");
        bad(LEAST "[guest.v]\nincoming_command=x\nincoming_qmp=/x\n", 7, "HB_QMP");
        bad(LEAST "[guest.v]\nincoming_qmp=/x\nincoming_process=/y\n", 7, "more than one");
        bad(LEAST "[host.a]\naddress=1.2.3.4:5\n", 0, "[host] name");
        bad("[host]\n[peer]\nca=/c\ncert=/c\nkey=/k\n", 1, "must set \"name\"");
        bad("[peer]\nca=/c\ncert=/c\nkey=/k\n", 0, "there is no [host]");
        bad("[host]\nname=a\n", 0, "there is no [peer]");
        bad("[host]\nname=a\n[peer]\nca=/c\ncert=/c\n", 3, "must set \"key\"");
        bad("", 0, "there is no [host]");
        bad("[host]\nname = a b\n", 2, "letters");
}

static void binary_and_endless_lines_are_refused(void **state) {
        hb_settings *s;
        struct hb_err e;
        char text[4096];

        assert_int_equal(hb_settings_parse("[host]\nname = a\0b\n", 18, "f.ini", &s, &e), -EINVAL);
        assert_string_equal(e.which, "f.ini:2");
        memset(text, '#', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        bad(text, 1, "longer");
}

static void too_many_hosts_are_refused(void **state) {
        char *text = malloc(128 * HB_MAX_HOSTS);
        size_t n = (size_t)sprintf(text, LEAST);
        hb_settings *s;

        for (int i = 0; i < HB_MAX_HOSTS; i++)
                n += (size_t)sprintf(text + n, "[host.h%d]\naddress=10.0.0.1:%d\n", i, i + 1);
        s = good(text);
        assert_int_equal(s->nhosts, HB_MAX_HOSTS);
        assert_string_equal(hb_settings_host(s, "h1023")->address, "10.0.0.1:1024");
        hb_settings_free(s);
        sprintf(text + n, "[host.one]\naddress=10.0.0.1:1\n");
        bad(text, 7 + 2 * HB_MAX_HOSTS, "1024 hosts");
        free(text);
}

static void a_reload_sees_what_it_cannot_change(void **state) {
        hb_settings *a = good(LEAST),
                    *same = good(LEAST "[tracking]\nepoch_ms=500\n[host.b]\naddress=1.2.3.4:5\n");
        hb_settings *moved = good(LEAST "listen = 127.0.0.1:9\n"),
                    *dirs = good("[host]\nname=a\nrun_dir=/x\n[peer]\nca=/ca\ncert=/c\nkey=/k\n");

        assert_null(hb_settings_fixed_difference(a, same));
        assert_string_equal(hb_settings_fixed_difference(a, moved), "listen");
        assert_string_equal(hb_settings_fixed_difference(a, dirs), "run_dir");
        hb_settings_free(a);
        hb_settings_free(same);
        hb_settings_free(moved);
        hb_settings_free(dirs);
}

static void the_reference_file_is_the_one_in_examples_and_loads(void **state) {
        char *made = NULL, kept[32768];
        size_t n = 0;
        FILE *out = open_memstream(&made, &n),
             *in = fopen(HB_SOURCE_DIR "/examples/settings/harbingerd.ini", "r");
        struct hb_err e;
        hb_settings *s, *plain = good(LEAST);

        assert_non_null(in);
        kept[fread(kept, 1, sizeof(kept) - 1, in)] = '\0';
        fclose(in);
        hb_settings_print_reference(out);
        fclose(out);
        if (strcmp(made, kept) != 0)
                fail_msg("examples/settings/harbingerd.ini is not what hb_settings_print_reference prints");
        assert_int_equal(hb_settings_load(HB_SOURCE_DIR "/examples/settings/harbingerd.ini", &s, &e), 0);
        assert_null(hb_settings_fixed_difference(s, plain));
        assert_int_equal(s->nhosts, 1);
        hb_settings_free(s);
        hb_settings_free(plain);
        free(made);
}

static void every_commented_default_loads_too(void **state) {
        char *text = NULL, *at, *from, *to;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);

        hb_settings_print_reference(out);
        fclose(out);
        at = strstr(text, "#[guest."); /* the guest's section is a sample, not a default */
        assert_non_null(at);
        *at = '\0';
        for (from = to = text; *from; from++) /* "#key" is a default, "# words" is help */
                if (!(*from == '#' && (from == text || from[-1] == '\n') && from[1] != ' '))
                        *to++ = *from;
        *to = '\0';
        assert_non_null(strstr(text, "\nepoch_ms = 1000\n"));
        hb_settings_free(good(text));
        free(text);
}

static void every_example_loads(void **state) {
        static const char *const names[] = {"harbingerd.ini", "host-a.ini", "host-b.ini"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char path[512], line[1024];
                hb_settings *s;
                struct hb_err e;

                snprintf(path, sizeof(path), HB_SOURCE_DIR "/examples/settings/%s", names[i]);
                if (hb_settings_load(path, &s, &e) < 0)
                        fail_msg("%s", hb_err_line(&e, line, sizeof(line)));
                hb_settings_free(s);
        }
}

static void the_manual_page_names_every_setting(void **state) {
        char *text = NULL, want[80];
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);

        hb_settings_print_man(out);
        fclose(out);
        for (size_t i = 0; i < hb_setting_count; i++) {
                snprintf(want, sizeof(want), "\n.B %s\n", hb_setting_rows[i].key);
                assert_non_null(strstr(text, want));
        }
        free(text);
}

static void files_that_cannot_be_read_are_named(void **state) {
        char path[] = "/tmp/hb-settings-XXXXXX", byte = '#';
        hb_settings *s;
        struct hb_err e;
        int fd = mkstemp(path);

        assert_int_equal(hb_settings_load("/nonexistent/h.ini", &s, &e), -ENOENT);
        assert_string_equal(e.which, "/nonexistent/h.ini");
        assert_int_equal(hb_settings_load("/tmp", &s, &e), -EISDIR);
        assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
        assert_int_equal(hb_settings_load(path, &s, &e), -EFBIG);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
        assert_int_equal(hb_settings_load(path, &s, &e), -EINVAL);
        close(fd);
        unlink(path);
}

static void every_fault_leaves_nothing(void **state) {
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_err e = {0};
                hb_settings *s = NULL;
                int r = hb_settings_load(HB_SOURCE_DIR "/examples/settings/harbingerd.ini", &s, &e);

                assert_true((r < 0) == (hb_fault_passed() >= n));
                assert_int_equal(e.code, r);
                hb_settings_free(s);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults_are_the_documented_ones),
                cmocka_unit_test(every_row_has_a_sound_default),
                cmocka_unit_test(hosts_and_guests_are_listed),
                cmocka_unit_test(long_names_are_kept_whole),
                cmocka_unit_test(patterns_match_whole_names),
                cmocka_unit_test(values_at_their_limits_pass),
                cmocka_unit_test(values_are_what_they_say),
                cmocka_unit_test(values_beyond_them_are_refused),
                cmocka_unit_test(texts_too_long_are_refused),
                cmocka_unit_test(mistakes_name_their_line_and_a_remedy),
                cmocka_unit_test(binary_and_endless_lines_are_refused),
                cmocka_unit_test(too_many_hosts_are_refused),
                cmocka_unit_test(a_reload_sees_what_it_cannot_change),
                cmocka_unit_test(the_reference_file_is_the_one_in_examples_and_loads),
                cmocka_unit_test(every_commented_default_loads_too),
                cmocka_unit_test(every_example_loads),
                cmocka_unit_test(the_manual_page_names_every_setting),
                cmocka_unit_test(files_that_cannot_be_read_are_named),
                cmocka_unit_test(every_fault_leaves_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
