/* compression_content: bytes to compress, the same each time: random, text, a real program's memory, and text
 * and random by turns. Whole runs, cycled through. */
#pragma once
#include "base/shape.h"
#include "transport/transport.h"
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENTS    4u
#define CONTENT_MAX ((size_t)48 << 20)
#define CONTENT_RUN ((size_t)HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)

struct content {
        const char *name;
        uint8_t *bytes;
        size_t size; /* whole runs */
};

static inline const uint8_t *content_at(const struct content *c, size_t at) {
        return c->bytes + at % c->size;
}

static inline void content_add(struct content *c, const uint8_t *data, size_t n) {
        n = n < CONTENT_MAX - c->size ? n : CONTENT_MAX - c->size;
        memcpy(c->bytes + c->size, data, n);
        c->size += n;
}

static inline void content_random(struct content *c, size_t n) {
        static uint64_t x = 88172645463325252ull;

        for (; n >= 8 && c->size + 8 <= CONTENT_MAX; n -= 8) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                memcpy(c->bytes + c->size, &x, 8);
                c->size += 8;
        }
}

static inline bool content_is_text(const char *name) {
        static const char *const ends[] = {".c", ".h", ".md", ".lua", ".sh", ".py"};
        const char *dot = strrchr(name, '.');

        for (unsigned i = 0; dot && i < sizeof ends / sizeof *ends; i++)
                if (strcmp(dot, ends[i]) == 0)
                        return true;
        return false;
}

/* In the order of names: the same text each time. */
static inline void content_folder(struct content *c, const char *dir, unsigned depth) {
        struct dirent **list;
        int n = scandir(dir, &list, NULL, alphasort);

        for (int i = 0; i < n; i++) {
                static uint8_t room[1 << 20];
                char path[4096];
                FILE *f;

                snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
                if (list[i]->d_type == DT_DIR && list[i]->d_name[0] != '.' && depth > 0 &&
                    strncmp(list[i]->d_name, "build", 5) != 0)
                        content_folder(c, path, depth - 1);
                else if (list[i]->d_type == DT_REG && content_is_text(path) && (f = fopen(path, "r"))) {
                        content_add(c, room, fread(room, 1, sizeof room, f));
                        fclose(f);
                }
                free(list[i]);
        }
        if (n >= 0)
                free(list);
}

/* Pages that hold anything. */
static inline void content_pages(struct content *c, const uint8_t *p, size_t n) {
        static const uint8_t zero[HB_PAGE_SIZE];

        for (size_t at = 0; at + HB_PAGE_SIZE <= n; at += HB_PAGE_SIZE)
                if (memcmp(p + at, zero, HB_PAGE_SIZE) != 0)
                        content_add(c, p + at, HB_PAGE_SIZE);
}

/* Resident memory of a process, mapping by mapping. */
static inline void content_process(struct content *c, pid_t pid) {
        char path[64], line[512], rights[8];
        unsigned long from, to;
        uint8_t page[HB_PAGE_SIZE];
        FILE *maps, *mem;

        snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
        maps = fopen(path, "r");
        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        mem = fopen(path, "r");
        while (maps && mem && fgets(line, sizeof line, maps)) {
                if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r' ||
                    strstr(line, "[v"))
                        continue;
                for (; from < to; from += HB_PAGE_SIZE)
                        if (fseek(mem, (long)from, SEEK_SET) == 0 && fread(page, sizeof page, 1, mem) == 1)
                                content_pages(c, page, sizeof page);
        }
        if (maps)
                fclose(maps);
        if (mem)
                fclose(mem);
}

static inline void content_guest(struct content *c, const char *file) {
        static const char *const program =
                "import json,ssl,sqlite3,asyncio,decimal,email,http.client,xml.dom.minidom,unittest,sys\n"
                "d={i:str(i)*3 for i in range(200000)}\n"
                "print('up',flush=True)\n"
                "sys.stdin.read()\n";
        int in[2], out[2];
        uint8_t up;
        pid_t pid;

        if (file) {
                FILE *f = fopen(file, "r");
                static uint8_t room[1 << 20];
                size_t n;

                while (f && c->size < CONTENT_MAX && (n = fread(room, 1, sizeof room, f)) > 0)
                        content_pages(c, room, n);
                if (f)
                        fclose(f);
                return;
        }
        if (pipe(in) < 0 || pipe(out) < 0 || (pid = fork()) < 0)
                return;
        if (pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                close(in[1]);
                close(out[0]);
                setenv("PYTHONHASHSEED", "1", 1);
                execlp("python3", "python3", "-c", program, (char *)NULL);
                _exit(127);
        }
        close(out[1]);
        close(in[0]);
        if (read(out[0], &up, 1) == 1)
                content_process(c, pid);
        close(in[1]);
        close(out[0]);
        waitpid(pid, NULL, 0);
}

static inline void contents_make(struct content *c, const char *guest_file) {
        static const char *const names[CONTENTS] = {"random", "text", "guest", "by turns"};

        for (unsigned i = 0; i < CONTENTS; i++) {
                c[i] = (struct content){names[i], malloc(CONTENT_MAX), 0};
                if (!c[i].bytes)
                        exit(1);
        }
        content_random(&c[0], CONTENT_MAX);
        content_folder(&c[1], HB_SOURCE_DIR, 4);
        content_guest(&c[2], guest_file);
        for (size_t at = 0; c[1].size >= 4 << 20 && c[3].size + (8 << 20) <= CONTENT_MAX; at += 4 << 20) {
                content_add(&c[3], c[1].bytes + at % (c[1].size - (4 << 20) + 1), 4 << 20);
                content_random(&c[3], 4 << 20);
        }
        for (unsigned i = 0; i < CONTENTS; i++) {
                c[i].size -= c[i].size % CONTENT_RUN;
                if (c[i].size == 0) {
                        fprintf(stderr,
                                "bench_compression: no %s to compress (python3 and the sources are needed)\n",
                                c[i].name);
                        exit(1);
                }
        }
}

static inline void contents_free(struct content *c) {
        for (unsigned i = 0; i < CONTENTS; i++)
                free(c[i].bytes);
}
