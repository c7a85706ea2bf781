/* bench_replay: what a record costs a replay, on one core.  bench_replay [--json] [--pages N] [--epochs N]
 * [--shape NAME] [--dir DIR]
 *
 * Made-up traces of two lengths, the longer ten times the other, are replayed through the default policies,
 * each in a process of its own so that the peak of its memory is its own: page records a second of processor
 * time, judging the predictor included and left out; the reader alone beside it; and the peak of the long one
 * over that of the short one. The median of three runs. */
#include "base/clock.h"
#include "replay/replay.h"
#include "trace_synth.h"
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS 3

struct setup {
        struct hb_synth synth;
        const char *dir, *shape;
        bool json;
};

struct run {
        double cpu_s, records, f1;
        long peak_kib;
};

static void die(const char *what) {
        fprintf(stderr, "bench_replay: %s\n", what);
        exit(1);
}

static double cpu_s(void) {
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct run replay(const char *path, bool quality) {
        struct hb_replay_options o = {.quality = quality};
        struct hb_replay_result r;
        struct run run;
        struct hb_err e;
        double began = cpu_s();

        if (hb_replay_run(path, &o, NULL, NULL, &r, &e) < 0)
                die(e.what);
        run = (struct run){.cpu_s = cpu_s() - began, .records = (double)r.records, .f1 = r.quality.all.f1};
        return run;
}

static struct run read_only(const char *path) {
        struct run run = {0};
        struct hb_trace_item i;
        hb_trace_reader *r;
        struct hb_err e;
        double began = cpu_s();

        if (hb_trace_reader_open(path, &r, &e) < 0)
                die(e.what);
        while (hb_trace_reader_next(r, &i, &e) > 0)
                run.records += i.kind == HB_TRACE_EPOCH ? (double)i.naccess : 0;
        hb_trace_reader_free(r);
        run.cpu_s = cpu_s() - began;
        return run;
}

enum what { WITH_QUALITY, WITHOUT, READER };

/* In a process of its own, begun afresh: its peak is nobody else's, and its heap has no history. */
static struct run alone(const char *path, enum what what) {
        char word[2] = {(char)('0' + what), 0};
        struct rusage used;
        struct run run;
        int pipe_fd[2], status;
        pid_t pid;

        if (pipe(pipe_fd) < 0 || (pid = fork()) < 0)
                die("fork");
        if (pid == 0) {
                dup2(pipe_fd[1], STDOUT_FILENO);
                execl("/proc/self/exe", "bench_replay", "--child", word, path, (char *)NULL);
                _exit(1);
        }
        close(pipe_fd[1]);
        if (read(pipe_fd[0], &run, sizeof(run)) != (ssize_t)sizeof(run) ||
            wait4(pid, &status, 0, &used) < 0 || status != 0)
                die("a run failed");
        close(pipe_fd[0]);
        run.peak_kib = used.ru_maxrss;
        return run;
}

static int child(const char *word, const char *path) {
        enum what what = (enum what)(word[0] - '0');
        struct run run = what == READER ? read_only(path) : replay(path, what == WITH_QUALITY);

        return write(STDOUT_FILENO, &run, sizeof(run)) != (ssize_t)sizeof(run);
}

static struct run median(const char *path, enum what what) {
        struct run r[RUNS];

        for (unsigned i = 0; i < RUNS; i++) {
                r[i] = alone(path, what);
                for (unsigned k = i; k > 0 && r[k].cpu_s < r[k - 1].cpu_s; k--) {
                        struct run swap = r[k];

                        r[k] = r[k - 1];
                        r[k - 1] = swap;
                }
        }
        return r[RUNS / 2];
}

static double rate(const struct run *r) {
        return r->records / r->cpu_s;
}

static void measure(struct setup *s) {
        struct run reader, with, without, brief;
        char path[2][300];
        struct hb_err e;

        for (unsigned i = 0; i < 2; i++) {
                struct hb_synth y = s->synth;

                snprintf(path[i], sizeof(path[i]), "%s/bench-replay-%d-%u.hbt", s->dir, (int)getpid(), i);
                y.epochs = i ? y.epochs * 10 : y.epochs;
                if (hb_synth_write(&y, path[i], &e) < 0)
                        die(e.what);
        }
        reader = median(path[1], READER);
        with = median(path[1], WITH_QUALITY);
        without = median(path[1], WITHOUT);
        brief = median(path[0], WITH_QUALITY);
        unlink(path[0]);
        unlink(path[1]);
        if (s->json)
                printf("{\"shape\": \"%s\", \"pages\": %u, \"epochs\": %u, \"records\": %.0f, "
                       "\"replay_records_per_s\": %.0f, \"unjudged_records_per_s\": %.0f, "
                       "\"reader_records_per_s\": %.0f, \"peak_kib\": %ld, \"short_peak_kib\": %ld, "
                       "\"memory_growth\": %.3f, \"f1\": %.3f}\n",
                       s->shape, s->synth.pages, s->synth.epochs * 10, with.records, rate(&with),
                       rate(&without), rate(&reader), with.peak_kib, brief.peak_kib,
                       (double)with.peak_kib / (double)brief.peak_kib, with.f1);
        else
                printf("%-8s %9.0f records  replay %6.2f M/s  not judged %6.2f M/s  reader alone %6.1f M/s  "
                       "peak %ld KiB, %.3f of the short one's\n",
                       s->shape, with.records, rate(&with) / 1e6, rate(&without) / 1e6, rate(&reader) / 1e6,
                       with.peak_kib, (double)with.peak_kib / (double)brief.peak_kib);
}

int main(int argc, char **argv) {
        struct setup s = {
                .synth = {.pages = 1 << 18, .epochs = 60, .seed = 1}, .dir = "/dev/shm", .shape = "mix"};

        if (argc == 4 && strcmp(argv[1], "--child") == 0)
                return child(argv[2], argv[3]);
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        s.json = true;
                else if (i + 1 < argc && strcmp(argv[i], "--pages") == 0)
                        s.synth.pages = (uint32_t)strtoul(argv[++i], NULL, 0);
                else if (i + 1 < argc && strcmp(argv[i], "--epochs") == 0)
                        s.synth.epochs = (uint32_t)strtoul(argv[++i], NULL, 0);
                else if (i + 1 < argc && strcmp(argv[i], "--shape") == 0)
                        s.shape = argv[++i];
                else if (i + 1 < argc && strcmp(argv[i], "--dir") == 0)
                        s.dir = argv[++i];
                else
                        die("bench_replay [--json] [--pages N] [--epochs N] [--shape NAME] [--dir DIR]");
        }
        if (!hb_synth_shape_of(s.shape, &s.synth.shape))
                die("no such shape");
        measure(&s);
        return 0;
}
