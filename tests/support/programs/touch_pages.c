/* touch_pages: a program whose accesses are known, for tests of the recorder.
 *
 *   touch_pages PAGES ROUNDS [fork|exec|threads|crash|wait|exit:N|memory]
 *
 * Page i of a fresh mapping is written 4 times and read 3 times a round, one of each by an atomic operation,
 * in assembler so that no compiler has a say; across the end of the last page but one goes one more 8-byte
 * write a round. Prints the first page's number. `threads` makes the rounds again in a second thread, on
 * pages of its own, whose first number is printed too; `memory` keeps a magic word in each page (for a whole
 * guest: found again in its memory file). */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096u
#define MAGIC 0x68627472616365ull

struct job {
        char *base;
        unsigned pages, rounds;
};

static void *work(void *arg) {
        const struct job *j = arg;

        for (unsigned r = 0; r < j->rounds; r++) {
                for (unsigned i = 0; i < j->pages; i++) {
                        uint64_t *p = (uint64_t *)(void *)(j->base + (size_t)i * PAGE + 8 * (i % 500));
                        uint64_t v = MAGIC;

                        __asm__ volatile("movq %0, (%1)\n\tmovq %0, (%1)\n\tmovq (%1), %%rax\n\t"
                                         "movq (%1), %%rax\n\tmovq %0, (%1)\n\tlock orq %0, (%1)"
                                         :
                                         : "r"(v), "r"(p)
                                         : "rax", "memory");
                }
                __asm__ volatile("movq %0, (%1)"
                                 :
                                 : "r"(0ull), "r"(j->base + (size_t)(j->pages - 1) * PAGE - 4)
                                 : "memory");
        }
        return NULL;
}

static struct job job_of(const char *pages, const char *rounds) {
        struct job j = {.pages = (unsigned)atoi(pages), .rounds = (unsigned)atoi(rounds)};

        j.base = mmap(NULL, (size_t)j.pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
        if (j.pages < 2 || j.base == MAP_FAILED)
                exit(2);
        printf("first %llu\n", (unsigned long long)((uintptr_t)j.base / PAGE));
        fflush(stdout);
        return j;
}

static int in_child(struct job *j, char *const *argv, const char *what) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                work(j); /* of the parent's trace no part */
                if (strcmp(what, "exec") == 0)
                        execlp("true", "true", (char *)NULL);
                exit(0);
        }
        return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
        const char *what = argc > 3 ? argv[3] : "";
        struct job j, other;
        pthread_t thread;

        if (argc < 3)
                return 2;
        j = job_of(argv[1], argv[2]);
        if (strcmp(what, "threads") == 0) {
                other = job_of(argv[1], argv[2]);
                if (pthread_create(&thread, NULL, work, &other))
                        return 1;
        }
        work(&j);
        if (strcmp(what, "threads") == 0)
                pthread_join(thread, NULL);
        if (strcmp(what, "fork") == 0 || strcmp(what, "exec") == 0)
                return in_child(&j, argv, what);
        if (strcmp(what, "crash") == 0)
                raise(SIGSEGV);
        if (strcmp(what, "wait") == 0)
                pause();
        return strncmp(what, "exit:", 5) == 0 ? atoi(what + 5) : 0;
}
