/* vm_qmp: talk to a QEMU from a shell script. Test support: a fresh Debian has neither socat nor python.
 *
 *   vm_qmp SOCKET record              print every event, one line each, until QEMU closes
 *   vm_qmp [-t SECS] SOCKET WORD...   each WORD in turn: a command ("stop" or a JSON object; prints what it
 * returns) or @EVENT (waits for it; also counts if it came while an earlier word was served)
 *
 * The socket may come later than we do: connecting is tried until the time (30 s) is over.
 * Exit code: 0; 1 QEMU refused a command; 2 usage; 3 no connection, lost connection or time over.
 * QMP sends one message a line; what it is shows in how the line begins. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_KEPT 64

struct qmp {
        int fd;
        double until;
        char *buffer;
        size_t used, size, line; /* `line`: bytes of the line handed out last, dropped at the next read */
        char *events[EVENTS_KEPT];
        unsigned events_count;
};

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int die(const char *what, const char *which) {
        fprintf(stderr, "vm_qmp: %s%s%s\n", what, which ? ": " : "", which ? which : "");
        return 3;
}

static int qmp_connect(struct qmp *q, const char *path) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(a.sun_path))
                return -ENAMETOOLONG;
        strcpy(a.sun_path, path);
        do {
                q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (q->fd < 0)
                        return -errno;
                if (connect(q->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
                        return 0;
                close(q->fd);
                poll(NULL, 0, 5);
        } while (now() < q->until);
        return -ETIMEDOUT;
}

/* More bytes into the buffer; 0 at the end of the stream or of the time. */
static size_t qmp_fill(struct qmp *q, bool forever) {
        struct pollfd p = {.fd = q->fd, .events = POLLIN};
        double left = q->until - now();
        ssize_t n;

        if (poll(&p, 1, forever ? -1 : left > 0 ? (int)(left * 1000) : 0) <= 0)
                return 0;
        if (q->used + 65536 > q->size) {
                q->size = q->used + 131072;
                q->buffer = realloc(q->buffer, q->size);
                if (!q->buffer)
                        abort();
        }
        n = read(q->fd, q->buffer + q->used, q->size - q->used - 1);
        if (n <= 0)
                return 0;
        q->used += (size_t)n;
        return (size_t)n;
}

/* The next message without its line end, valid until the next call. NULL: no more. */
static const char *qmp_line(struct qmp *q, bool forever) {
        char *end;

        if (q->line) {
                memmove(q->buffer, q->buffer + q->line, q->used - q->line);
                q->used -= q->line;
                q->line = 0;
        }
        while (!q->used || !(end = memchr(q->buffer, '\n', q->used)))
                if (!qmp_fill(q, forever))
                        return NULL;
        q->line = (size_t)(end - q->buffer) + 1;
        if (end > q->buffer && end[-1] == '\r')
                end--;
        *end = '\0';
        return q->buffer;
}

static bool is(const char *line, const char *kind) {
        return line[0] == '{' && line[1] == '"' && !strncmp(line + 2, kind, strlen(kind));
}

static int qmp_send(struct qmp *q, const char *word) {
        char *message;
        int n = word[0] == '{' ? asprintf(&message, "%s\n", word)
                               : asprintf(&message, "{\"execute\":\"%s\"}\n", word);
        bool sent;

        if (n < 0)
                abort();
        sent = send(q->fd, message, (size_t)n, MSG_NOSIGNAL) == n;
        free(message);
        return sent ? 0 : die("connection lost at", word);
}

/* One command and its answer; events that come between are kept for @EVENT. */
static int qmp_command(struct qmp *q, const char *word, bool show) {
        const char *line;

        if (qmp_send(q, word))
                return 3;
        while ((line = qmp_line(q, false))) {
                if (is(line, "timestamp") && q->events_count < EVENTS_KEPT)
                        q->events[q->events_count++] = strdup(line);
                if (is(line, "error"))
                        return die(word, line), 1;
                if (is(line, "return"))
                        return show ? puts(line) < 0 : 0;
        }
        return die("no answer to", word);
}

static bool event_is(const char *line, const char *name) {
        char want[80];

        snprintf(want, sizeof(want), "\"event\": \"%s\"", name);
        return strstr(line, want) != NULL;
}

static int qmp_await(struct qmp *q, const char *name) {
        const char *line;

        for (unsigned i = 0; i < q->events_count; i++)
                if (event_is(q->events[i], name))
                        return puts(q->events[i]) < 0;
        while ((line = qmp_line(q, false)))
                if (is(line, "timestamp") && event_is(line, name))
                        return puts(line) < 0;
        return die("the event did not come", name);
}

static int qmp_record(struct qmp *q) {
        const char *line;

        while ((line = qmp_line(q, true)))
                if (is(line, "timestamp"))
                        puts(line);
        return 0;
}

static int qmp_words(struct qmp *q, char **words) {
        int r = 0;

        for (; *words && r == 0; words++)
                r = (*words)[0] == '@' ? qmp_await(q, *words + 1) : qmp_command(q, *words, true);
        return r;
}

int main(int argc, char **argv) {
        struct qmp q = {.until = now() + 30};
        int o, r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        while ((o = getopt(argc, argv, "t:")) != -1)
                if (o == 't')
                        q.until = now() + atof(optarg);
                else
                        return 2;
        if (argc - optind < 2) {
                fprintf(stderr, "usage: vm_qmp [-t SECS] SOCKET record|WORD...\n");
                return 2;
        }
        if (qmp_connect(&q, argv[optind]) < 0)
                return die("no connection to", argv[optind]);
        if (!qmp_line(&q, false) || (r = qmp_command(&q, "qmp_capabilities", false)))
                return die("no greeting from", argv[optind]);
        if (!strcmp(argv[optind + 1], "record"))
                return qmp_record(&q);
        r = qmp_words(&q, argv + optind + 1);
        for (unsigned i = 0; i < q.events_count; i++)
                free(q.events[i]);
        free(q.buffer);
        close(q.fd);
        return r;
}
