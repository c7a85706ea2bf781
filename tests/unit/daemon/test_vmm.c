/* Starting a VMM from its command: what it finds in its environment, what is left of it when it fails, and
 * how it is ended. The commands are shell lines here. */
#include "check.h"
#include "daemon/vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig {
        char dir[64], socket[96], log[96], note[96], out[96];
        struct hb_shape shape;
        struct hb_vmm_start v;
        int pidfd;
};

static int set_up(void **state) {
        struct rig *r = calloc(1, sizeof *r);
        strcpy(r->dir, "/tmp/hb-vmm-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->socket, sizeof r->socket, "%s/socket", r->dir);
        snprintf(r->log, sizeof r->log, "%s/log", r->dir);
        snprintf(r->note, sizeof r->note, "%s/note", r->dir);
        snprintf(r->out, sizeof r->out, "%s/out", r->dir);
        assert_int_equal(hb_shape_add(&r->shape, "mem-0.low", 2u << 20, HB_PAGE_SIZE, NULL), 0);
        assert_int_equal(hb_shape_add(&r->shape, "ram", 1u << 20, HB_PAGE_SIZE, NULL), 0);
        r->v = (struct hb_vmm_start){.guest = "vm1",
                                     .socket_path = r->socket,
                                     .log_path = r->log,
                                     .note_path = r->note,
                                     .shape = &r->shape,
                                     .image_paths = {"/images/vm1.mem-0.low.img", "/images/vm1.ram.img"}};
        r->pidfd = -1;
        *state = r;
        return 0;
}

static int tear_down(void **state) {
        struct rig *r = *state;
        if (r->pidfd >= 0)
                close(r->pidfd);
        unlink(r->socket);
        unlink(r->log);
        unlink(r->note);
        unlink(r->out);
        assert_int_equal(rmdir(r->dir), 0);
        free(r);
        return 0;
}

static int run(struct rig *r, const char *command) {
        struct hb_err e;
        r->v.command = command;
        return hb_vmm_spawn(&r->v, &r->pidfd, &e);
}

static void has_ended(struct rig *r) {
        struct pollfd p = {.fd = r->pidfd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
}

static char *content(const char *path) {
        static char text[8192];
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = '\0';
        return text;
}

static void finds_its_environment(void **state) {
        struct rig *r = *state;
        char want[512];
        setenv("HB_FAULT", "not for the VMM", 1);
        setenv("HB_IMAGE_ram", "/not/this", 1);
        setenv("KEPT", "yes", 1);
        assert_int_equal(run(r,
                             "echo $HB_GUEST $HB_QMP $HB_SOCKET $HB_IMAGE_mem_0_low $HB_BYTES_mem_0_low "
                             "$HB_IMAGE_ram $HB_BYTES_ram $KEPT; echo fault=$HB_FAULT; env | grep -c ^HB_"),
                         0);
        has_ended(r);
        snprintf(want, sizeof want,
                 "vm1 %s %s /images/vm1.mem-0.low.img 2097152 /images/vm1.ram.img 1048576 yes\nfault=\n7\n",
                 r->socket, r->socket);
        assert_string_equal(content(r->log), want);
}

static void finds_it_also_in_a_long_one(void **state) {
        struct rig *r = *state;
        char name[32];
        for (int i = 0; i < 400; i++) {
                snprintf(name, sizeof name, "LONG_%d", i);
                setenv(name, "x", 1);
        }
        assert_int_equal(run(r, "echo $HB_GUEST $HB_IMAGE_ram"), 0);
        has_ended(r);
        for (int i = 0; i < 400; i++) {
                snprintf(name, sizeof name, "LONG_%d", i);
                unsetenv(name);
        }
        assert_string_equal(content(r->log), "vm1 /images/vm1.ram.img\n");
}

/* Nothing of ours is open in it, it is a session of its own, and its signals are as usual. */
static void stands_on_its_own(void **state) {
        struct rig *r = *state;
        int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
        char command[256];
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        snprintf(command, sizeof command,
                 "[ -e /proc/$$/fd/%d ] && echo leaked; [ $(ps -o sid= -p $$) = $$ ] && echo session; "
                 "grep ^SigBlk /proc/self/status; kill -TERM $$; echo lived on",
                 leak);
        assert_int_equal(run(r, command), 0);
        sigprocmask(SIG_UNBLOCK, &blocked, NULL);
        close(leak);
        has_ended(r);
        assert_string_equal(content(r->log), "session\nSigBlk:\t0000000000000000\n");
}

static void an_old_socket_and_an_old_log_go(void **state) {
        struct rig *r = *state;
        close(open(r->socket, O_CREAT | O_WRONLY, 0600));
        FILE *f = fopen(r->log, "w");
        fputs("of an earlier life\n", f);
        fclose(f);
        assert_int_equal(run(r, "[ -e $HB_SOCKET ] || echo none"), 0);
        has_ended(r);
        assert_string_equal(content(r->log), "none\n");
}

static void a_command_that_fails_at_once_is_started_all_the_same(void **state) {
        struct rig *r = *state;
        char tail[32];
        for (int i = 0; i < 20; i++) { /* it must not be gone before we hold it */
                assert_int_equal(run(r, "exit 3"), 0);
                has_ended(r);
                close(r->pidfd);
        }
        assert_int_equal(run(r, "echo first; echo 'no such machine' >&2; exit 1"), 0);
        has_ended(r);
        hb_vmm_log_tail(r->log, tail, sizeof tail);
        assert_string_equal(tail, "first;no such machine");
        assert_int_equal(run(r, "/no/such/program"), 0);
}

static void what_cannot_be_started_says_so(void **state) {
        struct rig *r = *state;
        struct hb_err e;
        r->v.log_path = "/no/such/dir/log";
        r->v.command = "true";
        assert_int_equal(hb_vmm_spawn(&r->v, &r->pidfd, &e), -ENOENT);
        assert_string_equal(e.which, "/no/such/dir/log");
        r->v.log_path = r->log;
        r->v.note_path = "/no/such/dir/note";
        char command[160];
        snprintf(command, sizeof command, "touch %s", r->out);
        r->v.command = command;
        assert_int_equal(hb_vmm_spawn(&r->v, &r->pidfd, &e), -ENOENT);
        r->v.note_path = r->note;
        assert_int_equal(hb_shape_add(&r->shape, "mem-0-low", 1u << 20, HB_PAGE_SIZE, NULL), 0);
        assert_int_equal(hb_vmm_spawn(&r->v, &r->pidfd, &e),
                         -EINVAL);                  /* two that a shell cannot tell apart */
        assert_int_equal(access(r->out, F_OK), -1); /* without its note it did not run */
        assert_int_equal(r->pidfd, -1);
}

static void is_ended_with_its_children(void **state) {
        struct rig *r = *state;
        int fds[2];
        char c, command[64];
        assert_int_equal(pipe(fds), 0);
        snprintf(command, sizeof command, "sleep 600 & echo started; wait");
        assert_int_equal(run(r, command), 0);
        struct stat st;
        while (stat(r->log, &st) == 0 && st.st_size == 0) { /* until it has said so */
                struct pollfd p = {.fd = fds[0], .events = POLLIN};
                poll(&p, 1, 5);
        }
        hb_vmm_kill(r->pidfd);
        has_ended(r);
        hb_vmm_kill(r->pidfd); /* again: nothing */
        close(fds[1]);
        assert_int_equal(read(fds[0], &c, 1), 0);
        close(fds[0]);
}

static void is_ended_by_its_note(void **state) {
        struct rig *r = *state;
        assert_int_equal(run(r, "exec sleep 600"), 0);
        assert_int_equal(access(r->note, F_OK), 0);
        assert_int_equal(hb_vmm_kill_noted(r->note), 0);
        has_ended(r);
        assert_int_equal(access(r->note, F_OK), -1);
        assert_int_equal(hb_vmm_kill_noted(r->note), 0);
        /* a note of a process that is another by now: left alone */
        FILE *f = fopen(r->note, "w");
        fprintf(f, "%d 1\n", (int)getpid());
        fclose(f);
        assert_int_equal(hb_vmm_kill_noted(r->note), 0);
        f = fopen(r->note, "w");
        fputs("nonsense", f);
        fclose(f);
        assert_int_equal(hb_vmm_kill_noted(r->note), 0);
}

static void the_tail_of_a_log(void **state) {
        struct rig *r = *state;
        char tail[16];
        hb_vmm_log_tail("/no/such/log", tail, sizeof tail);
        assert_string_equal(tail, "");
        FILE *f = fopen(r->log, "w");
        fputs("a long line that does not fit\nthe end\n", f);
        fclose(f);
        hb_vmm_log_tail(r->log, tail, sizeof tail);
        assert_string_equal(tail, "ot fit;the end");
        f = fopen(r->log, "w");
        fclose(f);
        hb_vmm_log_tail(r->log, tail, sizeof tail);
        assert_string_equal(tail, "");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        signal(SIGCHLD, SIG_IGN); /* as in harbingerd: the system reaps */
        signal(SIGPIPE, SIG_IGN);
        const struct CMUnitTest tests[] = {
                CASE(finds_its_environment),
                CASE(finds_it_also_in_a_long_one),
                CASE(stands_on_its_own),
                CASE(an_old_socket_and_an_old_log_go),
                CASE(a_command_that_fails_at_once_is_started_all_the_same),
                CASE(what_cannot_be_started_says_so),
                CASE(is_ended_with_its_children),
                CASE(is_ended_by_its_note),
                CASE(the_tail_of_a_log),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
