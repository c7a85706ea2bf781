/* What is known of a command before it runs: dense page numbers, programs that can be run, guests' memory. */
#include "check.h"

#include "capture/dense.h"
#include "capture/guest_args.h"
#include "capture/program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void neighbours_stay_neighbours(void **state) {
        struct hb_dense d = {0};
        uint32_t gfn, again;

        assert_int_equal(hb_dense_gfn(&d, 0x7ffff7dd5, &gfn), 0);
        assert_int_equal(gfn, 0x7ffff7dd5 % 512);
        assert_int_equal(hb_dense_gfn(&d, 0x400, &gfn), 0);
        assert_int_equal(gfn, 512);
        assert_int_equal(hb_dense_gfn(&d, 0x401, &gfn), 0);
        assert_int_equal(gfn, 513);
        assert_int_equal(hb_dense_gfn(&d, 0x3ff, &gfn), 0);
        assert_int_equal(gfn, 2 * 512 + 511);
        assert_int_equal(hb_dense_pages(&d), 3 * 512);
        for (uint64_t i = 0; i < 5000; i++) { /* through many growths */
                assert_int_equal(hb_dense_gfn(&d, i * 512 * 1237, &gfn), 0);
                assert_int_equal(hb_dense_gfn(&d, i * 512 * 1237 + 511, &again), 0);
                assert_int_equal(again, gfn + 511);
        }
        assert_int_equal(hb_dense_gfn(&d, 0x401, &gfn), 0);
        assert_int_equal(gfn, 513);
        hb_dense_fini(&d);
        assert_int_equal(hb_dense_pages(&d), 0);
}

/* ---- programs ---- */

static char dir[] = "/tmp/hb-command-XXXXXX";

static const char *put(const char *name, const void *data, size_t n, mode_t mode) {
        static char file[PATH_MAX];
        FILE *f;

        snprintf(file, sizeof(file), "%s/%s", dir, name);
        f = fopen(file, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, n, f), n);
        fclose(f);
        assert_int_equal(chmod(file, mode), 0);
        return file;
}

static void refuse(const char *word, int want, const char *says) {
        static struct hb_program p;
        struct hb_err e = {0};
        int r = hb_program_open(word, &p, &e);

        if (r != want || !strstr(e.what, says) || !e.next[0])
                fail_msg("%s: %d, %s, next: %s", word, r, e.what, e.next);
}

static void programs_are_looked_at(void **state) {
        static struct hb_program p;
        struct hb_err e = {0};
        char elf[64] = "\177ELF\2\1\1", script[PATH_MAX + 100], inner[PATH_MAX];

        assert_int_equal(hb_program_open("sh", &p, &e), 0);
        assert_string_equal(p.name, "sh");
        assert_int_equal(p.path[0], '/');
        refuse("no-such-program-at-all", -ENOENT, "no such program");
        refuse("/no/such/program", -ENOENT, "no such program");
        refuse("", -ENOENT, "empty");
        refuse(dir, -EACCES, "not a program");
        refuse(put("plain", "text", 4, 0644), -EACCES, "not a program");
        refuse(put("text", "text", 4, 0755), -ENOEXEC, "no program");
        refuse(put("short", "\177ELF\2\1", 6, 0755), -ENOEXEC, "no program");
        elf[16] = 3;
        elf[18] = (char)183;
        refuse(put("arm", elf, sizeof(elf), 0755), -EOPNOTSUPP, "arm64");
        elf[18] = 62;
        assert_int_equal(hb_program_open(put("amd64", elf, sizeof(elf), 0755), &p, &e), 0);
        if (geteuid() == 0) {
                const char *file = put("suid", elf, sizeof(elf), 0755);

                assert_int_equal(chown(file, 12345, 12345), 0);
                assert_int_equal(chmod(file, 04755), 0);
                refuse(file, -EPERM, "another user");
        }

        /* A script becomes its interpreter with the script as an argument; also through two of them. */
        snprintf(inner, sizeof(inner), "%s", put("inner", "#!/bin/sh -e\nexit 3\n", 20, 0755));
        assert_int_equal(hb_program_open(inner, &p, &e), 0);
        assert_string_equal(p.name, "/bin/sh");
        assert_int_equal(p.nwords, 2);
        assert_string_equal(p.words[0], "-e");
        assert_string_equal(p.words[1], inner);
        snprintf(script, sizeof(script), "#! %s  -x y \n", inner);
        assert_int_equal(hb_program_open(put("outer", script, strlen(script), 0755), &p, &e), 0);
        assert_int_equal(p.nwords, 4);
        assert_string_equal(p.words[0], "-e");
        assert_string_equal(p.words[1], inner);
        assert_string_equal(p.words[2], "-x y");
        snprintf(script, sizeof(script), "#!%s/loop\n", dir);
        refuse(put("loop", script, strlen(script), 0755), -ELOOP, "without end");
        refuse(put("nothing", "#!\n", 3, 0755), -ENOENT, "");
}

static int make_dir(void **state) {
        return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
        char line[100];

        snprintf(line, sizeof(line), "rm -r %s", dir);
        return system(line);
}

/* ---- guests ---- */

#define WORDS 12

static int parse(const char *line, struct hb_guest_args *ret, struct hb_err *e) {
        static char copy[512];
        char *argv[WORDS + 1] = {0}, *save;
        unsigned n = 0;

        snprintf(copy, sizeof(copy), "%s", line);
        for (char *p = strtok_r(copy, " ", &save); p && n < WORDS; p = strtok_r(NULL, " ", &save))
                argv[n++] = p;
        memset(e, 0, sizeof(*e));
        return hb_guest_args_parse(argv, ret, e);
}

#define MIB (1024ull * 1024)

static void guests_memory_is_known(void **state) {
        static const struct {
                const char *line, *name, *region;
                uint64_t ram, below;
        } rows[] = {
                {"-nodefaults", "", "mem", 128 * MIB, 128 * MIB},
                {"-m 512", "", "mem", 512 * MIB, 512 * MIB},
                {"-m 1.5G -name vm1", "vm1", "mem", 1536 * MIB, 1536 * MIB},
                {"--m size=4G,slots=2,maxmem=8G -M q35", "", "mem", 4096 * MIB, 2048 * MIB},
                {"-m 4G -machine pc", "", "mem", 4096 * MIB, 3072 * MIB},
                {"-m 4G -machine pc-q35-7.2,accel=tcg", "", "mem", 4096 * MIB, 2048 * MIB},
                {"-m 4G -machine microvm", "", "mem", 4096 * MIB, 3072 * MIB},
                {"-m 2500M -machine type=q35", "", "mem", 2500 * MIB, 2500 * MIB},
                {"-m 512M -machine q35,max-ram-below-4g=256M", "", "mem", 512 * MIB, 256 * MIB},
                {"-name guest=db-1,debug-threads=on -accel tcg,thread=single -machine "
                 "q35,memory-backend=ram0 "
                 "-object memory-backend-memfd,id=ram0,size=3G,share=on",
                 "db-1", "ram0", 3072 * MIB, 2048 * MIB},
                {"-m 65536k", "", "mem", 64 * MIB, 64 * MIB},
        };
        struct hb_guest_args g;
        struct hb_err e;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (parse(rows[i].line, &g, &e) < 0)
                        fail_msg("%s: %s", rows[i].line, e.what);
                if (strcmp(g.name, rows[i].name) != 0 || strcmp(g.region, rows[i].region) != 0 ||
                    g.ram != rows[i].ram || g.below4g != rows[i].below)
                        fail_msg("%s: %s %s %llu %llu", rows[i].line, g.name, g.region,
                                 (unsigned long long)g.ram, (unsigned long long)g.below4g);
        }
}

static void guests_that_cannot_be_seen_are_refused(void **state) {
        static const struct {
                const char *line, *word;
                int want;
        } rows[] = {
                {"-enable-kvm", "accelerator", -EOPNOTSUPP},
                {"-accel kvm", "accelerator", -EOPNOTSUPP},
                {"-machine q35,accel=kvm:tcg", "accelerator", -EOPNOTSUPP},
                {"-m 1G -numa node,memdev=m0", "several parts", -EOPNOTSUPP},
                {"-m much", "size", -EINVAL},
                {"-m 0", "size", -EINVAL},
                {"-m 99999999999T", "size", -EINVAL},
        };
        struct hb_guest_args g;
        struct hb_err e;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (parse(rows[i].line, &g, &e) != rows[i].want || !strstr(e.what, rows[i].word) ||
                    !e.next[0])
                        fail_msg("%s: %d %s", rows[i].line, e.code, e.what);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(neighbours_stay_neighbours),
                cmocka_unit_test_setup_teardown(programs_are_looked_at, make_dir, remove_dir),
                cmocka_unit_test(guests_memory_is_known),
                cmocka_unit_test(guests_that_cannot_be_seen_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
