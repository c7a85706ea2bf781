/* The screen on a real terminal (a pty): what is shown, keys, and that the terminal is as it was after every
 * way out: returned, exit(), signals that ask, signals that kill, stopped and continued, hung up. */
#include "base/fault.h"
#include "console/screen.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

#define PATIENCE_S 20

/* ---- the side of the terminal ---- */
struct term {
        pid_t leader, console;
        int fd, news, status; /* news: the leader's; status: of the console, as waitpid has it */
        struct termios before;
        size_t n;
        char seen[1 << 20];
};

/* What runs on it; returns its exit status. */
typedef int (*program)(void);

/* Tells where the console is, then each change of its state. */
static void tell(int to, int what) {
        if (write(to, &what, sizeof(what)) != sizeof(what))
                _exit(98);
}

static void run_console(program run, const char *type, const char *locale) {
        static const int defaults[] = {SIGHUP, SIGSEGV, SIGBUS, SIGFPE, SIGILL}; /* cmocka catches some */

        for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
                signal(defaults[i], SIG_DFL);
        setpgid(0, 0);
        signal(SIGTTOU, SIG_IGN);
        if (tcsetpgrp(STDIN_FILENO, getpid()) < 0 || setenv("TERM", type, 1) < 0 ||
            setenv("LC_ALL", locale, 1) < 0)
                _exit(97);
        signal(SIGTTOU, SIG_DFL);
        unsetenv("COLORFGBG");
        exit(run());
}

/* A little shell: job control stops nobody whose group has no parent in its session. */
static void lead(int slave, int news, program run, const char *type, const char *locale) {
        int status;
        pid_t child;

        signal(SIGHUP, SIG_IGN);
        alarm(2 * PATIENCE_S);
        if (login_tty(slave) < 0)
                _exit(99);
        child = fork();
        if (child == 0)
                run_console(run, type, locale);
        tell(news, child);
        for (;;) {
                if (waitpid(child, &status, WUNTRACED) != child)
                        _exit(96);
                tell(news, status);
                if (!WIFSTOPPED(status))
                        _exit(0);
        }
}

static struct term *start(program run, const char *type, const char *locale) {
        struct term *t = calloc(1, sizeof(*t));
        struct winsize size = {.ws_row = 24, .ws_col = 80};
        int slave, news[2];

        assert_non_null(t);
        assert_int_equal(openpty(&t->fd, &slave, NULL, NULL, &size), 0);
        assert_int_equal(tcgetattr(slave, &t->before), 0);
        assert_int_equal(pipe2(news, O_CLOEXEC), 0);
        t->leader = fork();
        assert_true(t->leader >= 0);
        if (t->leader == 0) {
                close(t->fd);
                close(news[0]);
                lead(slave, news[1], run, type, locale);
        }
        close(slave);
        close(news[1]);
        t->news = news[0];
        assert_int_equal(read(t->news, &t->console, sizeof(t->console)), sizeof(t->console));
        return t;
}

/* Takes what came; false: nobody is there any more. */
static bool more(struct term *t, int timeout_ms) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        ssize_t n;

        if (t->fd < 0 || poll(&p, 1, timeout_ms) <= 0)
                return true;
        n = read(t->fd, t->seen + t->n, sizeof(t->seen) - 1 - t->n);
        if (n <= 0)
                return false;
        t->n += (size_t)n;
        t->seen[t->n] = '\0';
        return true;
}

/* Until `text` was seen at or after `from`; where it ends. */
static size_t until(struct term *t, size_t from, const char *text) {
        time_t end = time(NULL) + PATIENCE_S;
        const char *at;

        while (!(at = strstr(t->seen + from, text))) {
                if (!more(t, 100) || time(NULL) > end)
                        fail_msg("no \"%s\" in \"%s\"", text, t->seen + from);
        }
        return (size_t)(at - t->seen) + strlen(text);
}

static void type(struct term *t, const char *keys) {
        assert_int_equal(write(t->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* Waits until the console's state changes, taking what it writes. */
static void changes(struct term *t) {
        time_t end = time(NULL) + PATIENCE_S;
        struct pollfd p = {.fd = t->news, .events = POLLIN};

        while (poll(&p, 1, 10) == 0) {
                more(t, 0);
                assert_true(time(NULL) <= end);
        }
        assert_int_equal(read(t->news, &t->status, sizeof(t->status)), sizeof(t->status));
}

/* The terminal's modes are what they were. */
static void is_clean(struct term *t) {
        struct termios now;

        assert_int_equal(tcgetattr(t->fd, &now), 0);
        assert_int_equal(now.c_lflag, t->before.c_lflag);
        assert_int_equal(now.c_iflag, t->before.c_iflag);
        assert_int_equal(now.c_oflag, t->before.c_oflag);
        assert_memory_equal(now.c_cc, t->before.c_cc, sizeof(now.c_cc));
}

/* Waits for its end: the last it writes is `leaves`. */
static void ends(struct term *t, const char *leaves) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};

        changes(t);
        is_clean(t);
        while (poll(&p, 1, 0) > 0 && more(t, 0))
                ;
        if (leaves && !strstr(t->seen, leaves))
                fail_msg("no \"%s\" in \"%s\"", leaves, t->seen);
}

static void put_away(struct term *t) {
        if (t->fd >= 0)
                close(t->fd);
        close(t->news);
        assert_int_equal(waitpid(t->leader, NULL, 0), t->leader);
        free(t);
}

/* ---- the side of the console ---- */
static struct hb_screen_options options;

static hb_screen *opened(void) {
        struct hb_err e = {0};
        hb_screen *s;
        int r = hb_screen_new(&options, &s, &e);

        if (r < 0) {
                printf("%s: %s; %s\n", hb_errno_name(r), e.what, e.next);
                exit(40);
        }
        return s;
}

static void show(hb_screen *s, const char *text) {
        unsigned w, h;
        hb_surface *u;

        hb_screen_size(s, &w, &h);
        if (hb_surface_new(w, h, hb_screen_utf8(s), &u) < 0)
                exit(41);
        hb_surface_text(u, 0, 0, w, HB_STYLE_NORMAL, text);
        hb_surface_text(u, 0, 1, w, HB_STYLE_BAD, "bad");
        hb_surface_text(u, 0, 2, w, HB_STYLE_NORMAL, "chosen");
        hb_surface_choose(u, 0, 2, w);
        hb_surface_put(u, w - 1, h - 1, HB_STYLE_NORMAL, '$');
        hb_screen_show(s, u, 0, 2);
        hb_surface_free(u);
}

/* What a key does here, beside being shown. */
static void act(hb_screen *s, int key) {
        if (key == 'z')
                hb_screen_suspend(s);
        else if (key == 'x')
                exit(8);
        else if (key == 'A')
                abort();
        else if (key == 'T')
                __builtin_trap();
        while (key == 'H') /* for ever, whatever is asked */
                pause();
}

/* Shows each key by its number, whole, until q or a signal; the exit status says which. */
static int echo_keys(hb_screen *s) {
        int key, number = 0;
        char text[64];

        for (;;) {
                struct pollfd p = {.fd = hb_screen_fd(s), .events = POLLIN};
                unsigned w, h;

                poll(&p, 1, -1);
                while ((key = hb_screen_key(s)) != HB_KEY_NONE) {
                        hb_screen_size(s, &w, &h);
                        snprintf(text, sizeof(text), "<%x %ux%u>", (unsigned)key, w, h);
                        hb_screen_mouse(s, &w, &h);
                        if (key == HB_KEY_MOUSE)
                                snprintf(text, sizeof(text), "<%x %u,%u>", (unsigned)key, w, h);
                        hb_screen_redraw(s);
                        show(s, text);
                        if (key == 'q')
                                return 7;
                        act(s, key);
                }
                if (hb_screen_ended(s, &number))
                        return 20 + number;
                if (hb_screen_hung_up(s))
                        return 11;
        }
}

static int console(void) {
        hb_screen *s = opened();
        int r;

        show(s, "ready größe 主机");
        r = echo_keys(s);
        hb_screen_free(s);
        return r;
}

/* ---- tests ---- */
#define LEAVES "\033[?1049l"

static void left_with(struct term *t, int status) {
        ends(t, LEAVES);
        assert_true(WIFEXITED(t->status));
        assert_int_equal(WEXITSTATUS(t->status), status);
        put_away(t);
}

static void shown_and_left(void **state) {
        struct term *t = start(console, "xterm-256color", "C.UTF-8");

        until(t, 0, "\033[?1049h");
        until(t, 0, "ready größe 主机");
        until(t, 0, "\033[38;5;160m"); /* "bad" in its colour */
        until(t, 0, "$");
        type(t, "q");
        left_with(t, 7);
}

static int bar_in_row(void) {
        hb_screen *s = opened();
        hb_surface *u;

        if (hb_surface_new(80, 24, true, &u) < 0)
                return 41;
        hb_surface_text(u, 0, 0, 80, HB_STYLE_SENT, "ab\u2588\u2588cd");
        hb_surface_choose(u, 0, 0, 80);
        hb_surface_put(u, 3, 2, HB_STYLE_SENT, 0x2588);
        hb_surface_choose(u, 3, 2, 1);
        hb_screen_show(s, u, -1, -1);
        hb_surface_free(u);
        hb_screen_free(s);
        return 7;
}

static void chosen_bars(void **state) {
        struct term *t = start(bar_in_row, "xterm-256color", "C.UTF-8");

        ends(t, LEAVES);
        assert_int_equal(WEXITSTATUS(t->status), 7);
        assert_non_null(
                strstr(t->seen, "7m\033[38;5;63mab\033(B\033[0m\033[38;5;63m\u2588\u2588\033(B\033[0;7m"));
        assert_non_null(
                strstr(t->seen, "\033[3;4H\033[38;5;63m\u2588")); /* alone, in a map: still reversed */
        put_away(t);
}

static void keys(void **state) {
        static const struct {
                const char *sent;
                int key;
        } of[] = {
                {"a", 'a'},
                {"\r", HB_KEY_ENTER},
                {"\x7f", HB_KEY_BACKSPACE},
                {"\033OA", HB_KEY_UP},
                {"\033[6~", HB_KEY_PGDN},
                {"\033OP", HB_KEY_F1},
                {"\033[21~", HB_KEY_F1 + 9},
                {"\xc3\xb6", 0xf6},
                {"\x0c", 12},
                {"\x1a", 26}, /* ctrl-z and ctrl-s are keys */
                {"\x13", 19},
                {"\t", HB_KEY_TAB},
                {"\033", HB_KEY_ESC},
                {" ", HB_KEY_SPACE},
                {"\033[I\033[5;77~b", 'b'}, /* sequences nobody knows are no keys */
        };
        struct term *t = start(console, "xterm-256color", "C.UTF-8");
        size_t at = until(t, 0, "ready");

        for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
                char wanted[32];

                type(t, of[i].sent);
                snprintf(wanted, sizeof(wanted), "<%x 80x24>", (unsigned)of[i].key);
                at = until(t, at, wanted);
        }
        type(t, "q");
        left_with(t, 7);
}

static void changed_size(void **state) {
        struct term *t = start(console, "tmux-256color", "C.UTF-8");
        struct winsize small = {.ws_row = 5, .ws_col = 20}, large = {.ws_row = 60, .ws_col = 200};
        size_t at = until(t, 0, "ready");

        assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &small), 0);
        at = until(t, at, " 20x5>");
        assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &large), 0);
        at = until(t, at, " 200x60>");
        for (unsigned i = 1; i <= 60; i++) { /* a storm, down to one cell: the last one counts */
                struct winsize any = {.ws_row = (unsigned short)(1 + i * 7 % 90),
                                      .ws_col = (unsigned short)(1 + i * 13 % 300)};

                assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &any), 0);
                more(t, 1);
        }
        assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &small), 0);
        at = until(t, at, " 20x5>");
        type(t, "q");
        left_with(t, 7);
}

static void signals_that_ask(void **state) {
        static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT};

        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                struct term *t = start(console, "xterm", "C");

                until(t, 0, "ready");
                if (numbers[i] == SIGINT)
                        type(t, "\x03");
                else
                        kill(t->console, numbers[i]);
                left_with(t, 20 + numbers[i]);
        }
}

static void ways_that_skip_us(void **state) {
        struct term *t = start(console, "screen", "C.UTF-8");

        until(t, 0, "ready");
        type(t, "x"); /* exit() somewhere inside */
        left_with(t, 8);

        t = start(console, "xterm-256color", "C.UTF-8");
        until(t, 0, "ready");
        type(t, "A");
        ends(t, LEAVES);
        assert_true(WIFSIGNALED(t->status) && WTERMSIG(t->status) == SIGABRT);
        put_away(t);

        t = start(console, "xterm-256color", "C.UTF-8");
        until(t, 0, "ready");
        type(t, "T"); /* an instruction */
        ends(t, LEAVES);
        assert_true(WIFSIGNALED(t->status) && WTERMSIG(t->status) == SIGILL);
        put_away(t);

        t = start(console, "xterm-256color", "C.UTF-8");
        until(t, 0, "ready");
        kill(t->console, SIGSEGV);
        ends(t, LEAVES);
        assert_true(WIFSIGNALED(t->status) && WTERMSIG(t->status) == SIGSEGV);
        put_away(t);
}

static void asked_in_vain(void **state) {
        struct term *t = start(console, "xterm-256color", "C.UTF-8");
        struct pollfd p = {.fd = t->news, .events = POLLIN};
        time_t end = time(NULL) + PATIENCE_S;

        until(t, 0, "ready");
        type(t, "H");
        until(t, 0, "<48 ");
        while (poll(&p, 1, 20) == 0) {
                assert_int_equal(kill(t->console, SIGTERM), 0);
                assert_true(time(NULL) <= end);
        }
        ends(t, LEAVES);
        assert_true(WIFSIGNALED(t->status) && WTERMSIG(t->status) == SIGTERM);
        put_away(t);
}

static void stopped(struct term *t) {
        changes(t);
        assert_true(WIFSTOPPED(t->status) && WSTOPSIG(t->status) == SIGTSTP);
        is_clean(t);
}

static void stopped_and_continued(void **state) {
        struct term *t = start(console, "xterm-256color", "C.UTF-8");
        struct winsize other = {.ws_row = 30, .ws_col = 100};
        size_t at = until(t, 0, "ready");

        assert_int_equal(kill(t->console, SIGTSTP), 0); /* from outside */
        stopped(t);
        at = until(t, at, LEAVES);
        assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &other), 0); /* unseen while stopped */
        assert_int_equal(kill(t->console, SIGCONT), 0);
        at = until(t, at, " 100x30>");
        until(t, 0, "\033[?1049h");

        type(t, "z"); /* asked for here */
        at = until(t, at, LEAVES);
        stopped(t);
        assert_int_equal(kill(t->console, SIGCONT), 0);
        at = until(t, at, "<11000a ");

        assert_int_equal(kill(t->console, SIGSTOP), 0); /* unannounced: drawn again when it is over */
        changes(t);
        assert_true(WIFSTOPPED(t->status) && WSTOPSIG(t->status) == SIGSTOP);
        assert_int_equal(kill(t->console, SIGCONT), 0);
        at = until(t, at, "<11000a ");
        type(t, "q");
        left_with(t, 7);
}

/* Nobody to hear SIGHUP: what is left is that the terminal reads as ended. */
static int deaf_console(void) {
        signal(SIGHUP, SIG_IGN);
        return console();
}

static void hung_up(void **state) {
        struct term *t = start(deaf_console, "xterm-256color", "C.UTF-8");

        until(t, 0, "$");
        close(t->fd);
        t->fd = -1;
        changes(t);
        assert_true(WIFEXITED(t->status));
        assert_int_equal(WEXITSTATUS(t->status), 11);
        put_away(t);
}

static void terminals(void **state) {
        static const char *const good[] = {"vt100",  "linux", "xterm",        "xterm-256color",
                                           "screen", "tmux",  "tmux-256color"},
                                 *const bad[] = {"dumb", "no-such-terminal", ""};

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct term *t = start(console, good[i], i % 2 ? "C" : "C.UTF-8");

                until(t, until(t, 0, "ready"), "chosen");
                type(t, "q");
                ends(t, NULL);
                assert_true(WIFEXITED(t->status) && WEXITSTATUS(t->status) == 7);
                put_away(t);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct term *t = start(console, bad[i], "C.UTF-8");

                ends(t, "EOPNOTSUPP: ");
                assert_non_null(strstr(t->seen, "--plain"));
                assert_null(strstr(t->seen, "\033"));
                assert_int_equal(WEXITSTATUS(t->status), 40);
                put_away(t);
        }
}

static int with_mouse(void) {
        static const char text[] = "[console]\nmouse = yes\n";
        struct hb_config *c;
        int r;

        if (hb_config_parse(text, sizeof(text) - 1, "c.ini", &c, NULL) < 0)
                return 42;
        options.config = c;
        r = console();
        hb_config_free(c);
        return r;
}

static void mouse(void **state) {
        struct term *t = start(with_mouse, "xterm-256color", "C.UTF-8");
        char wanted[32];
        size_t at = until(t, 0, "ready");

        assert_non_null(strstr(t->seen, "\033[?1006;1000h"));
        type(t, "\033[<0;5;3M\033[<0;5;3m");
        snprintf(wanted, sizeof(wanted), "<%x 4,2>", (unsigned)HB_KEY_MOUSE);
        at = until(t, at, wanted);
        type(t, "\033[<65;5;3M");
        at = until(t, at, "<110001 ");        /* the wheel: down */
        type(t, "\033[<2;5;3M\033[<64;5;3M"); /* the right button is nothing */
        at = until(t, at, "<110000 ");
        type(t, "A");
        ends(t, LEAVES);
        assert_non_null(strstr(t->seen, "\033[?1006;1002;1000l")); /* or the shell would read clicks */
        put_away(t);

        t = start(console, "xterm-256color", "C.UTF-8");
        until(t, 0, "$");
        type(t, "q");
        ends(t, LEAVES);
        assert_null(strstr(t->seen, "1000h"));
        put_away(t);
}

static void without_colours(void **state) {
        struct term *t;

        options.no_color = true;
        t = start(console, "xterm-256color", "C.UTF-8");
        until(t, 0, "$");
        type(t, "q");
        ends(t, LEAVES);
        assert_null(strstr(t->seen, "\033[31m")); /* no colour set, nor the default put back */
        assert_null(strstr(t->seen, "38;5;"));
        assert_null(strstr(t->seen, "\033[39"));
        assert_non_null(strstr(t->seen, "\033[0;1;4mbad"));
        put_away(t);
        options.no_color = false;
}

/* A picture that is the same sends nothing but where the cursor is. */
static int same_again(void) {
        hb_screen *s = opened();

        show(s, "ready");
        if (write(STDOUT_FILENO, "<<", 2) != 2)
                return 1;
        show(s, "ready");
        if (write(STDOUT_FILENO, ">>", 2) != 2)
                return 1;
        hb_screen_free(s);
        return 0;
}

static void only_what_changed(void **state) {
        struct term *t = start(same_again, "xterm-256color", "C.UTF-8");
        const char *begin, *end;

        ends(t, LEAVES);
        begin = strstr(t->seen, "<<");
        end = strstr(t->seen, ">>");
        assert_true(begin && end && end > begin && end - begin < 20);
        put_away(t);
}

static int broken(void) {
        hb_fault_arm("screen.terminal=fail");
        return console();
}

static void what_fails(void **state) {
        struct term *t = start(broken, "xterm-256color", "C.UTF-8");

        ends(t, "EIO: ");
        assert_int_equal(WEXITSTATUS(t->status), 40);
        put_away(t);
}

static void no_terminal(void **state) {
        struct hb_err e = {0};
        hb_screen *s = NULL;
        int in = dup(STDIN_FILENO), null = open("/dev/null", O_RDONLY);

        assert_true(null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO);
        assert_int_equal(hb_screen_new(&options, &s, &e), -ENOTTY);
        assert_string_equal(e.which, "standard input");
        assert_null(hb_screen_free(NULL));
        if (in >= 0)
                dup2(in, STDIN_FILENO);
        close(in);
        close(null);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shown_and_left),
                cmocka_unit_test(chosen_bars),
                cmocka_unit_test(keys),
                cmocka_unit_test(changed_size),
                cmocka_unit_test(signals_that_ask),
                cmocka_unit_test(ways_that_skip_us),
                cmocka_unit_test(asked_in_vain),
                cmocka_unit_test(stopped_and_continued),
                cmocka_unit_test(what_fails),
                cmocka_unit_test(hung_up),
                cmocka_unit_test(terminals),
                cmocka_unit_test(mouse),
                cmocka_unit_test(without_colours),
                cmocka_unit_test(only_what_changed),
                cmocka_unit_test(no_terminal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
