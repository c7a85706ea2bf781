/* corpus_main: makes an ordinary, repeatable test of a fuzzer.
 *
 * Every file of the corpus (folders and files given as arguments) is run as it is, then cut at every length
 * when it is small, then HB_FUZZ_RUNS (default 2000) inputs made from it by a seeded generator: flipped bits,
 * huge length fields, insertions, removals, splices. An empty or missing corpus leaves generated inputs only.
 * The same corpus gives the same inputs every time. Each input lies in a block of exactly its size, so that
 * AddressSanitizer sees a read past its end. When an input kills the program or takes longer than 20 s it is
 * written to crash-<program> for `gdb` or the corpus. HB_FUZZ_SECONDS (default 60) bounds the whole;
 * HB_FUZZ_SEED picks another sequence. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_INPUT  (1u << 20)
#define CUT_ALL_BELOW  600u
#define ONE_RUN_S      20u
#define GROWTH_ALLOWED 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct input {
        uint8_t *data;
        size_t size;
};

struct corpus {
        struct input *inputs;
        size_t count, bytes;
};

struct counts {
        unsigned long files, cuts, mutations;
};

/* What a signal handler needs to save the input that killed us. */
static struct {
        const uint8_t *data;
        size_t size;
        char path[256];
        bool saved;
} current;

static void save_current(void) {
        static const char note[] = "corpus_main: the input that failed was written to ";
        int fd;

        if (current.saved || !current.data)
                return;
        current.saved = true;
        fd = open(current.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return;
        if (write(fd, current.data, current.size) == (ssize_t)current.size &&
            write(STDERR_FILENO, note, sizeof(note) - 1) > 0 &&
            write(STDERR_FILENO, current.path, strlen(current.path)) > 0 && write(STDERR_FILENO, "\n", 1) > 0)
                close(fd);
}

static void on_signal(int sig) {
        save_current();
        signal(sig, SIG_DFL);
        raise(sig);
}

static void watch_for_death(const char *program) {
        static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
        const char *base = strrchr(program, '/');

        snprintf(current.path, sizeof(current.path), "crash-%.200s", base ? base + 1 : program);
        signal(SIGALRM, on_signal);
        if (__sanitizer_set_death_callback) {
                __sanitizer_set_death_callback(save_current); /* it has its own handlers for the rest */
                signal(SIGABRT, on_signal);
                return;
        }
        for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
                signal(deadly[i], on_signal);
}

static void *must(void *p) {
        if (!p) {
                fprintf(stderr, "corpus_main: out of memory\n");
                exit(2);
        }
        return p;
}

static void run(const uint8_t *data, size_t size) {
        uint8_t *exact = must(malloc(size ? size : 1));

        if (size)
                memcpy(exact, data, size);
        current.data = exact;
        current.size = size;
        alarm(ONE_RUN_S);
        LLVMFuzzerTestOneInput(exact, size);
        alarm(0);
        current.data = NULL;
        free(exact);
}

static void add_file(struct corpus *c, const char *path) {
        struct input in = {0};
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)LARGEST_INPUT) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        in.data = must(malloc((size_t)st.st_size + 1));
        while (in.size < (size_t)st.st_size &&
               (n = read(fd, in.data + in.size, (size_t)st.st_size - in.size)) > 0)
                in.size += (size_t)n;
        close(fd);
        c->inputs = must(realloc(c->inputs, (c->count + 1) * sizeof(*c->inputs)));
        c->inputs[c->count++] = in;
        c->bytes += in.size;
}

static void add_path(struct corpus *c, const char *path) {
        struct dirent **names;
        char full[4096];
        int n = scandir(path, &names, NULL, alphasort);

        if (n < 0) {
                if (errno == ENOTDIR)
                        add_file(c, path);
                return;
        }
        for (int i = 0; i < n; i++) {
                if (names[i]->d_name[0] != '.' &&
                    snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name) < (int)sizeof(full))
                        add_file(c, full);
                free(names[i]);
        }
        free(names);
}

static void free_corpus(struct corpus *c) {
        for (size_t i = 0; i < c->count; i++)
                free(c->inputs[i].data);
        free(c->inputs);
}

static uint64_t random_state;

static uint64_t next_random(void) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state * 0x2545F4914F6CDD1Dull >> 8;
}

static size_t below(size_t n) {
        return n ? (size_t)(next_random() % n) : 0;
}

/* The input being made. Its block has room for everything the mutators below may add. */
struct draft {
        uint8_t *data;
        size_t size, cap;
};

static void insert(struct draft *d, size_t at, const uint8_t *bytes, size_t n) {
        if (n > d->cap - d->size)
                n = d->cap - d->size;
        memmove(d->data + at + n, d->data + at, d->size - at);
        if (bytes)
                memcpy(d->data + at, bytes, n);
        else
                for (size_t i = 0; i < n; i++)
                        d->data[at + i] = (uint8_t)next_random();
        d->size += n;
}

static void cut_out(struct draft *d, size_t at, size_t n) {
        memmove(d->data + at, d->data + at + n, d->size - at - n);
        d->size -= n;
}

static void overwrite_number(struct draft *d) {
        static const uint64_t values[] = {0,          1,          0x7F,       0x80,       0xFF,
                                          0x7FFF,     0xFFFF,     0x10000,    0xFFFFFF,   1u << 30,
                                          1u << 31,   0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000ull,
                                          1ull << 52, 1ull << 63, ~0ull};
        uint64_t v = values[below(sizeof(values) / sizeof(values[0]))];
        size_t width = (size_t)1 << below(4);
        size_t at = below(d->size);

        for (size_t i = 0; i < width && at + i < d->size; i++)
                d->data[at + i] = (uint8_t)(v >> (8 * i));
}

static void splice_piece(struct draft *d, const struct corpus *c) {
        const struct input *other = c->count ? &c->inputs[below(c->count)] : NULL;
        uint8_t piece[GROWTH_ALLOWED];
        size_t n, at;

        if (!other || other->size == 0)
                return;
        at = below(other->size);
        n = 1 + below(other->size - at < sizeof(piece) ? other->size - at : sizeof(piece));
        if (n > other->size - at)
                n = other->size - at;
        memcpy(piece, other->data + at, n);
        insert(d, below(d->size + 1), piece, n);
}

static void mutate_once(struct draft *d, const struct corpus *c) {
        size_t at = below(d->size);

        if (d->size == 0) {
                insert(d, 0, NULL, 1 + below(32));
                return;
        }
        switch (below(9)) {
        case 0:
        case 1:
                d->data[at] ^= (uint8_t)(1u << below(8));
                break;
        case 2:
                d->data[at] = (uint8_t)next_random();
                break;
        case 3:
        case 4:
                overwrite_number(d);
                break;
        case 5:
                insert(d, at, NULL, 1 + below(16));
                break;
        case 6:
                cut_out(d, at, 1 + below(d->size - at));
                break;
        case 7:
                d->size = at;
                break;
        default:
                splice_piece(d, c);
        }
}

static void generate(struct draft *d) {
        size_t size = below(8) ? below(96) : below(4096);
        uint64_t fill = below(4);

        d->size = 0;
        insert(d, 0, NULL, size);
        if (fill < 2)
                memset(d->data, fill ? 0xFF : 0, d->size);
        for (size_t n = fill < 2 ? below(6) : 0; n > 0 && d->size; n--)
                d->data[below(d->size)] = (uint8_t)next_random();
}

static void mutated_run(struct draft *d, const struct corpus *c) {
        const struct input *from = c->count ? &c->inputs[below(c->count)] : NULL;

        if (!from || below(16) == 0) {
                generate(d);
        } else {
                memcpy(d->data, from->data, from->size);
                d->size = from->size;
                for (size_t n = 1 + below(4); n > 0; n--)
                        mutate_once(d, c);
        }
        run(d->data, d->size);
}

static bool time_is_up(time_t end) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec >= end;
}

static void run_all(const struct corpus *c, unsigned long runs, time_t end, struct counts *n) {
        struct draft d = {.cap = LARGEST_INPUT + 4 * GROWTH_ALLOWED};

        run((const uint8_t *)"", 0);
        for (size_t i = 0; i < c->count; i++, n->files++)
                run(c->inputs[i].data, c->inputs[i].size);
        for (size_t i = 0; i < c->count; i++)
                for (size_t cut = 1; c->inputs[i].size <= CUT_ALL_BELOW && cut < c->inputs[i].size;
                     cut++, n->cuts++)
                        run(c->inputs[i].data, cut);
        d.data = must(malloc(d.cap));
        while (n->mutations < runs && !time_is_up(end)) {
                mutated_run(&d, c);
                n->mutations++;
        }
        free(d.data);
}

static unsigned long number_from_env(const char *name, unsigned long otherwise) {
        const char *text = getenv(name);
        char *end;
        unsigned long v;

        if (!text || !*text)
                return otherwise;
        errno = 0;
        v = strtoul(text, &end, 10);
        if (errno || *end || text[0] == '-') {
                fprintf(stderr, "corpus_main: %s=%s is not a number\n", name, text);
                exit(2);
        }
        return v;
}

int main(int argc, char **argv) {
        unsigned long runs = number_from_env("HB_FUZZ_RUNS", 2000);
        unsigned long seconds = number_from_env("HB_FUZZ_SECONDS", 60);
        struct corpus c = {0};
        struct counts n = {0};
        struct timespec now;

        random_state = number_from_env("HB_FUZZ_SEED", 1) * 0x9E3779B97F4A7C15ull | 1;
        if (LLVMFuzzerInitialize)
                LLVMFuzzerInitialize(&argc, &argv);
        watch_for_death(argv[0]);
        for (int i = 1; i < argc; i++)
                add_path(&c, argv[i]);
        clock_gettime(CLOCK_MONOTONIC, &now);
        run_all(&c, runs, now.tv_sec + (time_t)seconds, &n);
        printf("%s: %lu corpus files (%zu bytes), %lu cuts, %lu of %lu mutations: no failure%s\n", argv[0],
               n.files, c.bytes, n.cuts, n.mutations, runs,
               n.mutations < runs ? " (stopped by HB_FUZZ_SECONDS)" : "");
        free_corpus(&c);
        return 0;
}
