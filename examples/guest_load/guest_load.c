/* guest_load: the guest of the quickstart and of many tests. Fills memory with checkable content, writes and
 * reads it at a given pace, checks every page over and over, and says so on standard output.
 *
 * Two lives, one program: first process of a VM (parameters from the kernel command line, output on the
 * serial port), or a plain process on a host. Lines it prints: LOAD-READY pages=N bytes=N        memory is
 * filled, the load begins HB n t=S wr=N rd=N ... bad=N lost=N maxgap_ms=N cpu_ms=N     heartbeat; t is this
 * machine's own clock PASS n t=S pages=N bad=N lost=N   every page has been checked once more BAD page=N
 * record=N want=G found=G                           a page that is not as it should be LOAD-VERIFIED pages=N
 * bad=N       answer to SIGUSR1, and the last line before an orderly end One thread; all memory is obtained
 * before LOAD-READY. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "load.h"
#include "memory.h"

#define NS 1000000000ull

struct options {
        struct load_params params;
        const char *memory; /* "anonymous", "memfd" or a file's path; NULL: what fits */
        const char *attach; /* socket to be a guest of Harbinger on; NULL: none */
        bool incoming;
        uint64_t seconds; /* 0: until a signal */
        bool help;
};

struct run {
        struct load load;
        struct memory memory;
        struct attach attach;
        int signals;
        uint64_t started_ns, next_beat_ns;
        uint64_t seen_bad, seen_passes;
        bool ended;
};

static uint64_t clock_ns(clockid_t id) {
        struct timespec t;

        clock_gettime(id, &t);
        return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void usage(FILE *to) {
        const char *name, *help;

        fprintf(to,
                "guest_load mb=256 rate=5000 --seconds 10\n"
                "guest_load --memory memfd mb=64\n\n"
                "A workload that checks its own memory. Options:\n"
                "  --cmdline        also take hb_NAME=VALUE from the kernel command line (for a VM's init)\n"
                "  --memory KIND    anonymous (default), memfd, or the path of a file to map shared\n"
                "  --attach SOCKET  be a guest of Harbinger: harbinger guest attach NAME --process SOCKET\n"
                "  --incoming       with --attach: wait for the guest; --memory is its image\n"
                "  --seconds N      end after N seconds; without it at SIGTERM\n"
                "Parameters, as NAME=VALUE:\n");
        for (unsigned i = 0; (help = load_params_help(i, &name)); i++)
                fprintf(to, "  %-16s %s\n", name, help);
        fprintf(to, "SIGUSR1 checks every page at once. Exit code 0: every page was right at the end; 1: "
                    "not; 2: usage.\n");
}

static int set_param(struct load_params *p, const char *word) {
        int r = load_params_set(p, word);

        if (r == -ENOENT)
                fprintf(stderr, "guest_load: %s: no such parameter (--help lists them)\n", word);
        if (r == -ERANGE)
                fprintf(stderr, "guest_load: %s: value out of range\n", word);
        return r;
}

/* Words that are not ours belong to the kernel; ours must be right. */
static int params_from_cmdline(struct load_params *p) {
        char line[4096], *save = NULL;
        FILE *f = fopen("/proc/cmdline", "re");

        if (!f || !fgets(line, sizeof(line), f)) {
                perror("guest_load: /proc/cmdline");
                if (f)
                        fclose(f);
                return -EIO;
        }
        fclose(f);
        for (char *w = strtok_r(line, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
                if (!strncmp(w, "hb_", 3) && set_param(p, w + 3) < 0)
                        return -EINVAL;
        return 0;
}

static int parse_option(struct options *o, char **argv, int *i) {
        const char *a = argv[*i], *value = argv[*i + 1];

        if (!strcmp(a, "--help") || !strcmp(a, "-h"))
                return o->help = true, 0;
        if (!strcmp(a, "--cmdline"))
                return params_from_cmdline(&o->params);
        if (!strcmp(a, "--incoming"))
                return o->incoming = true, 0;
        if (!strcmp(a, "--attach") && value)
                return o->attach = value, ++*i, 0;
        if (!strcmp(a, "--memory") && value)
                return o->memory = value, ++*i, 0;
        if (!strcmp(a, "--seconds") && value)
                return o->seconds = strtoull(value, NULL, 10), ++*i, 0;
        fprintf(stderr, "guest_load: %s: no such option, or its value is missing\n", a);
        return -EINVAL;
}

static int parse(struct options *o, int argc, char **argv) {
        int r = 0;

        *o = (struct options){0};
        load_params_init(&o->params);
        for (int i = 1; i < argc && r == 0; i++)
                r = argv[i][0] == '-' ? parse_option(o, argv, &i) : set_param(&o->params, argv[i]);
        if (!o->memory)
                o->memory = o->attach ? "memfd" : "anonymous";
        if (r == 0 && o->incoming && !o->attach) {
                fprintf(stderr, "guest_load: --incoming needs --attach SOCKET\n");
                r = -EINVAL;
        }
        return r;
}

static double seconds_since(const struct run *r, uint64_t now) {
        return (double)(now - r->started_ns) / NS;
}

static void report_bad(struct run *r) {
        const struct load_state *s = &r->load.state;

        if (s->bad == r->seen_bad)
                return;
        printf("BAD page=%u record=%u want=%u found=%u\n", s->last_bad.page, s->last_bad.record,
               s->last_bad.want_generation, s->last_bad.found_generation);
        r->seen_bad = s->bad;
}

static void report_pass(struct run *r, uint64_t now) {
        const struct load_state *s = &r->load.state;

        if (s->passes == r->seen_passes)
                return;
        printf("PASS %llu t=%.3f pages=%llu bad=%llu lost=%llu\n", (unsigned long long)s->passes,
               seconds_since(r, now), (unsigned long long)s->pages, (unsigned long long)s->last_pass_bad,
               (unsigned long long)s->lost);
        r->seen_passes = s->passes;
}

static void report_beat(struct run *r, uint64_t now) {
        struct load_state *s = &r->load.state;

        if (now < r->next_beat_ns)
                return;
        r->next_beat_ns = now + s->params.beat_ms * 1000000;
        printf("HB %llu t=%.3f wr=%llu rd=%llu dropped=%llu verified=%llu bad=%llu lost=%llu maxgap_ms=%.1f "
               "cpu_ms=%.1f\n",
               (unsigned long long)++s->beats, seconds_since(r, now), (unsigned long long)s->writes,
               (unsigned long long)s->reads, (unsigned long long)s->dropped, (unsigned long long)s->verified,
               (unsigned long long)s->bad, (unsigned long long)s->lost, (double)load_take_gap(&r->load) / 1e6,
               (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
}

static uint64_t verify_and_say(struct run *r) {
        uint64_t bad = load_verify_all(&r->load);

        report_bad(r);
        printf("LOAD-VERIFIED pages=%llu bad=%llu\n", (unsigned long long)r->load.state.pages,
               (unsigned long long)bad);
        return bad;
}

static void take_signal(struct run *r) {
        struct signalfd_siginfo info;

        if (read(r->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return;
        if (info.ssi_signo == SIGUSR1)
                verify_and_say(r);
        else
                r->ended = true;
}

/* Sleep until the next step or a signal. */
static void wait_for(struct run *r, uint64_t ns) {
        struct pollfd fds[] = {{.fd = r->signals, .events = POLLIN}};
        struct timespec t = {.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)};

        if (ppoll(fds, 1, &t, NULL) > 0)
                take_signal(r);
}

static uint64_t loop(struct run *r, uint64_t seconds) {
        while (!r->ended) {
                uint64_t now, wait;

                if (attach_point(&r->attach)) {
                        printf("LOAD-MOVED\n");
                        return 0;
                }
                now = clock_ns(CLOCK_MONOTONIC);
                wait = load_step(&r->load, now);
                report_bad(r);
                report_pass(r, now);
                report_beat(r, now);
                if (seconds && now - r->started_ns >= seconds * NS)
                        break;
                wait_for(r, wait);
        }
        return verify_and_say(r);
}

static int signals_open(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int complain(const char *what, const char *which, int error) {
        fprintf(stderr, "guest_load: %s %s: %s\n", what, which, strerror(-error));
        return error;
}

static int start_attach(struct run *r, const struct options *o) {
        int e;

        if (!o->attach)
                return 0;
        e = attach_open(&r->attach, o->attach, &r->load, &r->memory, o->incoming);
        if (e == -EINVAL)
                fprintf(stderr, "guest_load: --attach needs memory that others can map: memfd or a file\n");
        else if (e < 0)
                complain("--attach", o->attach, e);
        return e;
}

/* Memory, signals, and the load: filled here, or arriving. 1: it will not come. */
static int start(struct run *r, const struct options *o) {
        int e = memory_open(o->memory, (size_t)o->params.mb << 20, o->incoming, &r->memory);

        if (e < 0)
                return complain("memory", o->memory, e);
        r->signals = signals_open();
        if (r->signals < 0)
                return -errno;
        if (!o->incoming)
                e = load_start(&r->load, &o->params, r->memory.addr);
        if (e == 0)
                e = start_attach(r, o);
        if (e < 0 || !o->incoming)
                return e;
        printf("LOAD-WAITING bytes=%zu\n", r->memory.bytes);
        return attach_wait(&r->attach);
}

static void say_ready(struct run *r, bool incoming) {
        r->started_ns = clock_ns(CLOCK_MONOTONIC);
        r->seen_bad = r->load.state.bad;
        r->seen_passes = r->load.state.passes;
        printf("LOAD-%s pages=%llu bytes=%zu\n", incoming ? "RESUMED" : "READY",
               (unsigned long long)r->load.state.pages, r->memory.bytes);
}

int main(int argc, char **argv) {
        struct options o;
        struct run r = {0};
        uint64_t bad;
        int e;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (parse(&o, argc, argv) < 0)
                return 2;
        if (o.help)
                return usage(stdout), 0;
        e = start(&r, &o);
        if (e)
                return e < 0 ? 1 : 0;
        say_ready(&r, o.incoming);
        bad = loop(&r, o.seconds);
        hb_attach_close(r.attach.library);
        return bad ? 1 : 0;
}
