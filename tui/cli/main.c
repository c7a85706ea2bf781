/* harbinger: streams and environment in, exit code out. */
#include "base/fault.h"
#include "cli/cli.h"
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The daemon's program: beside this one, else by PATH. */
static const char *find_daemon(char *buf, size_t size) {
        ssize_t n = readlink("/proc/self/exe", buf, size - 1);
        char *slash;

        buf[n > 0 ? n : 0] = '\0';
        slash = strrchr(buf, '/');
        if (slash && (size_t)(slash - buf) + sizeof("/harbingerd") <= size) {
                strcpy(slash, "/harbingerd");
                if (access(buf, X_OK) == 0)
                        return buf;
        }
        return "harbingerd";
}

static unsigned terminal_width(void) {
        struct winsize w;

        return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* Without setlocale: what the program reads and prints is the same in every language. */
static bool utf8_terminal(void) {
        locale_t l = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
        bool yes = l != (locale_t)0 && strcmp(nl_langinfo_l(CODESET, l), "UTF-8") == 0;

        if (l != (locale_t)0)
                freelocale(l);
        return yes;
}

int main(int argc, char **argv) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        char daemon[PATH_MAX];
        struct hb_cli_io io = {
                .out = stdout,
                .err = stderr,
                .out_tty = isatty(STDOUT_FILENO),
                .err_tty = isatty(STDERR_FILENO),
                .width = terminal_width(),
                .no_color = (no_color && no_color[0]) || (term && strcmp(term, "dumb") == 0),
                .utf8 = utf8_terminal(),
                .socket = getenv("HARBINGER_SOCKET"),
                .daemon = find_daemon(daemon, sizeof(daemon)),
                .interrupt_fd = -1,
        };

        if (hb_fault_from_env("HB_FAULT") < 0) {
                fputs("harbinger: HB_FAULT cannot be understood\n", stderr);
                return HB_EXIT_USAGE;
        }
        signal(SIGPIPE, SIG_IGN); /* `harbinger history | head` ends with an error to tell, not in silence */
        return hb_cli_run(&io, argc, argv);
}
