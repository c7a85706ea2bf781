/* Starting a VMM by its command: what it is told, what is left when it is given up, and what a daemon that
 * was killed meanwhile finds by the note it had written. */
#include "check.h"
#include "daemon/vmm.h"
#include "track/procmaps.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
        char dir[64], log[128], note[128], socket[128];
};

static int set_up(void **state) {
        struct place *p = calloc(1, sizeof *p);
        signal(SIGCHLD, SIG_IGN); /* as the daemon: nobody waits for the child */
        strcpy(p->dir, "/tmp/hb-vmm.XXXXXX");
        assert_non_null(mkdtemp(p->dir));
        snprintf(p->log, sizeof p->log, "%s/log", p->dir);
        snprintf(p->note, sizeof p->note, "%s/note", p->dir);
        snprintf(p->socket, sizeof p->socket, "%s/socket", p->dir);
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        struct place *p = *state;
        unlink(p->log);
        unlink(p->note);
        rmdir(p->dir);
        free(p);
        return 0;
}

static int spawn(const struct place *p, const char *command) {
        struct hb_shape shape = {.nregions = 1, .pages = 16};
        struct hb_vmm_start v = {.guest = "g",
                                 .command = command,
                                 .socket_path = p->socket,
                                 .log_path = p->log,
                                 .note_path = p->note,
                                 .shape = &shape};
        struct hb_err e;
        int fd = -1;
        strcpy(shape.regions[0].name, "pc.ram-0");
        shape.regions[0].pages = 16;
        strcpy(v.image_paths[0], "/images/g.img");
        assert_int_equal(hb_vmm_spawn(&v, &fd, &e), 0);
        return fd;
}

static bool ends(int pidfd, int ms) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        return poll(&p, 1, ms) == 1;
}

static void it_is_told_socket_and_images(void **state) {
        struct place *p = *state;
        char line[256] = "";
        int fd = spawn(p, "echo $HB_GUEST $HB_QMP $HB_IMAGE_pc_ram_0 $HB_BYTES_pc_ram_0");
        assert_true(ends(fd, 5000));
        FILE *f = fopen(p->log, "r");
        assert_non_null(f);
        assert_non_null(fgets(line, sizeof line, f));
        fclose(f);
        char want[256];
        snprintf(want, sizeof want, "g %s /images/g.img 65536\n", p->socket);
        assert_string_equal(line, want);
        close(fd);
}

static void killing_it_ends_its_whole_session(void **state) {
        int fd = spawn(*state, "sleep 1000 & echo started; wait");
        const struct place *p = *state;
        struct stat st = {0};
        while (stat(p->log, &st) == 0 && st.st_size == 0) /* the session is there once it has spoken */
                assert_false(ends(fd, 5));
        hb_vmm_kill(fd);
        assert_true(ends(fd, 5000));
        close(fd);
}

static void a_noted_one_is_ended_by_its_note(void **state) {
        struct place *p = *state;
        int fd = spawn(p, "sleep 1000");
        assert_int_equal(access(p->note, F_OK), 0);
        assert_int_equal(hb_vmm_kill_noted(p->note), 0);
        assert_true(ends(fd, 0));
        assert_int_not_equal(access(p->note, F_OK), 0);
        assert_int_equal(hb_vmm_kill_noted(p->note), 0); /* nothing to do */
        close(fd);
}

static void a_note_of_another_process_ends_nobody(void **state) {
        struct place *p = *state;
        uint64_t start;
        int fd = spawn(p, "sleep 1000"), pid;
        FILE *f = fopen(p->note, "r");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%d", &pid), 1);
        fclose(f);
        assert_int_equal(hb_proc_start_time(pid, &start), 0);
        f = fopen(p->note, "w");
        fprintf(f, "%d %llu\n", pid, (unsigned long long)start - 1); /* its number was another's before */
        fclose(f);
        assert_int_equal(hb_vmm_kill_noted(p->note), 0);
        assert_false(ends(fd, 50));
        assert_int_not_equal(access(p->note, F_OK), 0);
        hb_vmm_kill(fd);
        kill(pid, SIGKILL);
        assert_true(ends(fd, 5000));
        close(fd);
}

static void a_torn_note_ends_nobody(void **state) {
        struct place *p = *state;
        static const char *const notes[] = {"", "1", "1 1", "-1 5", "0 0", "x y", "99999999999999 1"};
        for (unsigned i = 0; i < sizeof notes / sizeof *notes; i++) {
                FILE *f = fopen(p->note, "w");
                fputs(notes[i], f);
                fclose(f);
                assert_int_equal(hb_vmm_kill_noted(p->note), 0);
        }
}

static void without_a_note_nothing_runs(void **state) {
        struct place *p = *state;
        struct hb_shape shape = {0};
        char mark[160], command[200];
        snprintf(mark, sizeof mark, "%s/ran", p->dir);
        snprintf(command, sizeof command, "touch %s", mark);
        struct hb_vmm_start v = {.guest = "g",
                                 .command = command,
                                 .socket_path = p->socket,
                                 .log_path = p->log,
                                 .note_path = "/nonexistent/note",
                                 .shape = &shape};
        struct hb_err e;
        int fd;
        assert_int_equal(hb_vmm_spawn(&v, &fd, &e), -ENOENT);
        poll(NULL, 0, 50);
        assert_int_not_equal(access(mark, F_OK), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_is_told_socket_and_images, set_up, tear_down),
                cmocka_unit_test_setup_teardown(killing_it_ends_its_whole_session, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_noted_one_is_ended_by_its_note, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_note_of_another_process_ends_nobody, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_torn_note_ends_nobody, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_a_note_nothing_runs, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
