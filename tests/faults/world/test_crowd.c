/* A world that looks at daemons that misbehave, as processes of their own: what it shows meanwhile, and that
 * it is back by itself. Waits for what happens, at most PATIENCE_S for each. */
#include "base/clock.h"
#include "check.h"
#include "world/world.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60

struct stage {
        hb_world *w;
        pid_t daemon;
        char dir[40], path[64];
        unsigned lost, silent, ticks; /* seen so far */
        int lost_code;
        enum hb_seat_state before;
};

static void start(struct stage *s, const char *option, const char *value) {
        int ready[2];
        char c;

        assert_int_equal(pipe(ready), 0);
        s->daemon = fork();
        if (s->daemon == 0) {
                dup2(ready[1], STDOUT_FILENO);
                close(ready[0]);
                close(ready[1]);
                execl(HB_BUILD_DIR "/tests/crowd_daemon", "crowd_daemon", "--socket", s->path, "--tick-ms",
                      "20", "--guests", "40", "--hosts", "5", option, value, (char *)NULL);
                _exit(127);
        }
        close(ready[1]);
        if (read(ready[0], &c, 1) != 1)
                fail_msg("crowd_daemon did not start");
        close(ready[0]);
}

static void stop(struct stage *s) {
        kill(s->daemon, SIGKILL);
        waitpid(s->daemon, NULL, 0);
}

static void begin(struct stage *s, const char *option, const char *value) {
        struct hb_world_options o = {.silent_ns = 300000000};

        memset(s, 0, sizeof(*s));
        strcpy(s->dir, "/tmp/hb-crowd-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
        start(s, option, value);
        assert_int_equal(hb_world_new(&o, &s->w, NULL), 0);
        assert_int_equal(hb_world_add(s->w, s->path, NULL), 0);
}

static void end(struct stage *s) {
        char lock[80];

        stop(s);
        hb_world_free(s->w);
        snprintf(lock, sizeof(lock), "%s.lock", s->path);
        unlink(lock);
        unlink(s->path);
        assert_int_equal(rmdir(s->dir), 0);
}

static void turn(struct stage *s) {
        const struct hb_seat *seat;
        int64_t now = (int64_t)hb_now_ns(), wake = hb_world_wake_ns(s->w);
        struct pollfd p;
        bool more;
        unsigned n = hb_world_poll(s->w, &p, 1);

        poll(&p, n, wake <= now ? 0 : wake - now > 50000000 ? 50 : (int)((wake - now) / 1000000 + 1));
        hb_world_pump(s->w, &p, n, (int64_t)hb_now_ns(), &more);
        seat = hb_world_seat(s->w, 0);
        if (seat->state != s->before) {
                s->lost += seat->state == HB_SEAT_LOST;
                s->silent += seat->state == HB_SEAT_SILENT;
                if (seat->state == HB_SEAT_LOST)
                        s->lost_code = seat->why.code;
        }
        s->before = seat->state;
        s->ticks = (unsigned)seat->ticks;
}

#define AWAIT(s, what)                                                                                       \
        do {                                                                                                 \
                uint64_t until = hb_now_ns() + PATIENCE_S * HB_NS_PER_S;                                     \
                while (!(what) && hb_now_ns() < until)                                                       \
                        turn(s);                                                                             \
                assert_true(what);                                                                           \
        } while (0)

/* Two good ticks, the fault, and two more on the next connection. */
static void expect_back(const char *fault, int code) {
        const struct hb_guest_seen *g;
        struct stage s;

        begin(&s, "--fault", fault);
        AWAIT(&s, s.ticks >= 2);
        AWAIT(&s, s.lost >= 1);
        assert_int_equal(s.lost_code, code);
        assert_true(hb_world_guests(s.w, &g) > 0); /* still shown */
        AWAIT(&s, s.ticks >= 4);
        end(&s);
}

static void test_garbage(void **state) {
        expect_back("garbage", -EBADMSG);
}

static void test_half_a_line(void **state) {
        expect_back("cut", -ECONNRESET);
}

static void test_a_line_that_is_too_long(void **state) {
        expect_back("huge", -EBADMSG);
}

static void expect_silence(const char *fault) {
        struct stage s;

        begin(&s, "--fault", fault);
        AWAIT(&s, s.ticks >= 2);
        AWAIT(&s, s.silent >= 1);
        assert_int_equal(hb_world_seat(s.w, 0)->why.code, -ETIMEDOUT);
        AWAIT(&s, s.ticks >= 4); /* cut and dialled again */
        end(&s);
}

static void test_it_hangs(void **state) {
        expect_silence("hang");
}

static void test_a_byte_at_a_time(void **state) {
        expect_silence("slow");
}

static void test_killed_and_started_again(void **state) {
        struct stage s;

        begin(&s, "--seed", "3");
        AWAIT(&s, s.ticks >= 3);
        stop(&s);
        AWAIT(&s, s.lost >= 1);
        start(&s, "--seed", "4");
        AWAIT(&s, hb_world_seat(s.w, 0)->state == HB_SEAT_UP);
        end(&s);
}

static void test_stopped_and_continued(void **state) {
        struct stage s;

        begin(&s, "--seed", "3");
        AWAIT(&s, s.ticks >= 3);
        kill(s.daemon, SIGSTOP);
        AWAIT(&s, s.silent >= 1);
        kill(s.daemon, SIGCONT);
        AWAIT(&s, hb_world_seat(s.w, 0)->state == HB_SEAT_UP);
        end(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_half_a_line),
                cmocka_unit_test(test_a_line_that_is_too_long),
                cmocka_unit_test(test_it_hangs),
                cmocka_unit_test(test_a_byte_at_a_time),
                cmocka_unit_test(test_killed_and_started_again),
                cmocka_unit_test(test_stopped_and_continued),
        };
        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
