/* screen_end: the terminal as it was, whatever ends or stops the console.
 *
 * A signal handler gets no argument, so what it needs is static here: one screen a process. The signals that
 * ask for an end set a flag and wake the loop, which returns the ordinary way. Those that are the end (and
 * exit(), which runs no caller's code) write a text made beforehand and put the modes back: write and
 * tcsetattr are all they call. Then the signal goes on to whoever had it before: the default's core file, a
 * sanitizer's report. A child that was forked from here inherits the handlers, and leaves the terminal alone.
 *
 * Signals that were ignored when the console started stay ignored (nohup). */
#include "console/screen_priv.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PATIENCE  3 /* so many requests to end, and it is done without the loop */
#define RESTORE   256u
#define ALTERNATE 65536u /* a handler's stack when the own one has overflowed */

enum kind { ENDS, STOPS, CONTINUES, KILLS };
static const struct {
        int number;
        enum kind kind;
} caught[] = {
        {SIGHUP, ENDS},       {SIGTERM, ENDS},    {SIGINT, ENDS},   {SIGQUIT, ENDS},  {SIGTSTP, STOPS},
        {SIGCONT, CONTINUES}, {SIGSEGV, KILLS},   {SIGBUS, KILLS},  {SIGFPE, KILLS},  {SIGILL, KILLS},
        {SIGABRT, KILLS},     {SIGTRAP, KILLS},   {SIGSYS, KILLS},  {SIGXCPU, KILLS}, {SIGXFSZ, KILLS},
        {SIGALRM, KILLS},     {SIGVTALRM, KILLS}, {SIGUSR1, KILLS}, {SIGUSR2, KILLS},
};
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static struct {
        volatile sig_atomic_t ended, asked, stop, resumed, shown, length;
        bool on, at_exit;
        pid_t owner;
        int wake;
        struct termios modes;
        char restore[RESTORE];
        struct sigaction old[CAUGHT], no_resize, resize; /* of SIGWINCH: before ncurses, and ncurses' own */
        char stack[ALTERNATE];
        bool own_stack;
} live = {.wake = -1};

/* ---- in signal handlers: only what is async-signal-safe ---- */
static void put_back(void) {
        size_t done = 0;

        if (!live.shown || getpid() != live.owner)
                return;
        live.shown = 0;
        while (done < (size_t)live.length) {
                ssize_t n = write(STDOUT_FILENO, live.restore + done, (size_t)live.length - done);

                if (n <= 0)
                        break;
                done += (size_t)n;
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &live.modes);
}

static void give_back(int number) {
        for (size_t i = 0; i < CAUGHT; i++)
                if (caught[i].number == number)
                        sigaction(number, &live.old[i], NULL);
}

static void on_kill(int number, siginfo_t *info, void *context) {
        int saved = errno;

        put_back();
        give_back(number);
        if (info->si_code <= 0 || number == SIGALRM || number == SIGVTALRM || number == SIGXCPU)
                raise(number); /* somebody sent it; what an instruction caused comes again by itself */
        errno = saved;
}

static void wake(void) {
        uint64_t one = 1;

        if (write(live.wake, &one, sizeof(one)) < 0)
                return; /* full: it is readable already */
}

static void on_ask(int number, siginfo_t *info, void *context) {
        int saved = errno;

        if (getpid() != live.owner || ++live.asked >= PATIENCE) {
                put_back();
                give_back(number);
                raise(number);
        }
        live.ended = number;
        wake();
        errno = saved;
}

static void on_stop(int number, siginfo_t *info, void *context) {
        int saved = errno;

        *(number == SIGTSTP ? &live.stop : &live.resumed) = 1;
        wake();
        errno = saved;
}

/* What ncurses does, and the loop hears of it even when it was not yet waiting. */
static void on_resize(int number, siginfo_t *info, void *context) {
        int saved = errno;

        if (live.resize.sa_handler != SIG_IGN && live.resize.sa_handler != SIG_DFL)
                live.resize.sa_handler(number);
        wake();
        errno = saved;
}

/* ---- outside of them ---- */
static void at_exit(void) {
        if (live.on)
                put_back();
}

static void take(size_t i) {
        static void (*const handlers[])(int, siginfo_t *, void *) = {
                [ENDS] = on_ask, [STOPS] = on_stop, [CONTINUES] = on_stop, [KILLS] = on_kill};
        struct sigaction a = {.sa_sigaction = handlers[caught[i].kind],
                              .sa_flags = SA_SIGINFO | (caught[i].kind == KILLS ? SA_ONSTACK : 0)};

        sigemptyset(&a.sa_mask);
        sigaddset(&a.sa_mask, SIGTTOU); /* or putting the modes back would stop it in the background */
        if (sigaction(caught[i].number, NULL, &live.old[i]) == 0 && live.old[i].sa_handler != SIG_IGN)
                sigaction(caught[i].number, &a, NULL);
}

void hb_screen_guard_resize(void) {
        struct sigaction a = {.sa_sigaction = on_resize, .sa_flags = SA_SIGINFO};

        sigemptyset(&a.sa_mask);
        if (sigaction(SIGWINCH, NULL, &live.resize) == 0 && !(live.resize.sa_flags & SA_SIGINFO))
                sigaction(SIGWINCH, &a, NULL);
}

static void alternate_stack(void) {
        stack_t own = {.ss_sp = live.stack, .ss_size = sizeof(live.stack)}, old;

        live.own_stack =
                sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE) && sigaltstack(&own, NULL) == 0;
}

int hb_screen_guard(struct hb_err *e) {
        if (live.on)
                return hb_err_set(e, -EBUSY, NULL, NULL, "there is a screen in this process already");
        live.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (live.wake < 0 || tcgetattr(STDIN_FILENO, &live.modes) < 0 ||
            (!live.at_exit && atexit(at_exit) != 0)) {
                int r = errno ? -errno : -ENOMEM;

                if (live.wake >= 0)
                        close(live.wake);
                live.wake = -1;
                return hb_err_set(e, r, "terminal", NULL, "cannot prepare the terminal: %s", strerror(-r));
        }
        live.at_exit = live.on = true;
        live.ended = live.asked = live.stop = live.resumed = live.length = 0;
        live.shown = 1;
        live.owner = getpid();
        alternate_stack();
        sigaction(SIGWINCH, NULL, &live.no_resize);
        for (size_t i = 0; i < CAUGHT; i++)
                take(i);
        return live.wake;
}

void hb_screen_unguard(void) {
        stack_t none = {.ss_flags = SS_DISABLE};

        if (!live.on)
                return;
        live.shown = 0;
        sigaction(SIGWINCH, &live.no_resize, NULL);
        for (size_t i = 0; i < CAUGHT; i++)
                if (live.old[i].sa_handler != SIG_IGN)
                        sigaction(caught[i].number, &live.old[i], NULL);
        if (live.own_stack)
                sigaltstack(&none, NULL);
        close(live.wake);
        live.wake = -1;
        live.on = false;
}

/* ---- the text that leaves the terminal clean ---- */
/* Without terminfo's delays ("$<5>"): they are for printers. */
static size_t append(char *buf, size_t at, const char *text) {
        while (text && text != (char *)-1 && *text && at + 1 < RESTORE) {
                const char *end = text[0] == '$' && text[1] == '<' ? strchr(text, '>') : NULL;

                if (end)
                        text = end + 1;
                else
                        buf[at++] = *text++;
        }
        return at;
}

static const char *capability(const char *name) {
        const char *text = tigetstr(name);

        return text == (char *)-1 ? NULL : text;
}

void hb_screen_guard_text(bool mouse) {
        static const char *const names[] = {"sgr0", "rmacs", "rmkx", "rmm", "cnorm"};
        const char *leave = capability("rmcup"), *move = capability("cup");
        size_t at = 0;

        live.length = 0;
        if (mouse)
                at = append(live.restore, at, "\033[?1006;1002;1000l");
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                at = append(live.restore, at, capability(names[i]));
        if (leave) {
                at = append(live.restore, at, leave);
        } else if (move) { /* no second screen: below what was drawn */
                at = append(live.restore, at, tparm(move, (long)LINES - 1, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L));
                at = append(live.restore, at, "\r\n");
        }
        live.length = (sig_atomic_t)at;
}

/* ---- stopped and continued ---- */
/* Back from the shell, which may have changed modes and size. */
static void come_back(hb_screen *s) {
        struct winsize size;

        reset_prog_mode();
        live.resumed = 0;
        live.shown = 1;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
            (size.ws_row != LINES || size.ws_col != COLS))
                resizeterm(size.ws_row, size.ws_col);
        hb_screen_guard_text(s->config && s->config->mouse);
        hb_screen_redraw(s);
}

static void stop(hb_screen *s, pid_t whom) {
        endwin();
        live.shown = live.stop = 0;
        give_back(SIGTSTP);
        kill(whom, SIGTSTP); /* here it stops */
        for (size_t i = 0; i < CAUGHT; i++)
                if (caught[i].kind == STOPS)
                        take(i);
        come_back(s);
}

void hb_screen_suspend(hb_screen *s) {
        stop(s, 0); /* the whole group, as the terminal itself would: a shell may wait for its first */
        s->again = true;
}

bool hb_screen_signals(hb_screen *s) {
        uint64_t count;

        if (read(live.wake, &count, sizeof(count)) < 0)
                return false;
        if (live.stop) {
                stop(s, getpid());
                return true;
        }
        if (live.resumed) {
                come_back(s);
                return true;
        }
        return false;
}

bool hb_screen_ended(const hb_screen *s, int *ret_signal) {
        if (!live.ended)
                return false;
        *ret_signal = live.ended;
        return true;
}
