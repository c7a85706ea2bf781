/* gadget: finds code to borrow. Cost: reads the target's executable mappings until both are found, usually
 * libc's 1.4 MiB and the program's own; once per attach. */
#include "track/gadget.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/ptrace_thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define CHUNK (1u << 20)

static const uint8_t syscall_ret[] = {0x0f, 0x05, 0xc3};
static const uint8_t sigreturn_64[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}; /* mov $15,%rax; syscall */
static const uint8_t sigreturn_32[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};             /* mov $15,%eax; syscall */

static ssize_t peek(pid_t pid, uint64_t addr, void *out, size_t n) {
        struct iovec local = {out, n}, remote = {(void *)addr, n}; // NOLINT(performance-no-int-to-ptr)

        return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static void search(uint64_t *ret, uint64_t base, const uint8_t *code, size_t n, const uint8_t *what,
                   size_t len) {
        const uint8_t *at = *ret ? NULL : memmem(code, n, what, len);

        if (at)
                *ret = base + (uint64_t)(at - code);
}

static int search_vma(pid_t pid, const struct hb_vma *v, uint8_t *chunk, struct hb_gadgets *g) {
        /* Overlapping chunks, so that nothing hides on a border. */
        for (uint64_t at = v->start; at < v->end; at += CHUNK - 16) {
                uint64_t left = v->end - at;
                ssize_t n = peek(pid, at, chunk, left < CHUNK ? left : CHUNK);

                if (n <= 0)
                        return n < 0 && (errno == EPERM || errno == ESRCH) ? -errno : 0;
                search(&g->syscall_ret, at, chunk, (size_t)n, syscall_ret, sizeof syscall_ret);
                search(&g->sigreturn, at, chunk, (size_t)n, sigreturn_64, sizeof sigreturn_64);
                search(&g->sigreturn, at, chunk, (size_t)n, sigreturn_32, sizeof sigreturn_32);
                if (g->syscall_ret && g->sigreturn)
                        return 0;
        }
        return 0;
}

static int search_all(pid_t pid, const struct hb_buf *maps, uint8_t *chunk, struct hb_gadgets *g) {
        struct hb_rd in = hb_rd_init(maps->data, maps->len);
        struct hb_vma v;
        int r = 0;

        while (r == 0 && !(g->syscall_ret && g->sigreturn) && hb_procmaps_next(&in, &v)) {
                /* Not where the process writes code (a JIT's buffer may change under us), not the kernel's
                 * vsyscall page. */
                if (v.exec && v.read && !v.write && strcmp(v.path, "[vsyscall]") != 0)
                        r = search_vma(pid, &v, chunk, g);
        }
        return r;
}

int hb_gadgets_find(pid_t pid, struct hb_gadgets *ret, struct hb_err *e) {
        struct hb_buf maps = {0};
        struct hb_gadgets g = {0};
        uint8_t *chunk = hb_fault("track.gadget") ? NULL : malloc(CHUNK);
        int r = chunk ? hb_procmaps_read(pid, &maps) : -ENOMEM;

        if (r == 0)
                r = search_all(pid, &maps, chunk, &g);
        free(chunk);
        hb_buf_free(&maps);
        if (r == -EPERM)
                return hb_ptrace_refused(pid, e);
        if (r < 0)
                return hb_err_set(e, r, NULL, r == -ESRCH ? "check that the guest is running" : NULL,
                                  "cannot read the code of process %d", (int)pid);
        if (!g.syscall_ret || !g.sigreturn)
                return hb_err_set(
                        e, -EOPNOTSUPP, NULL, "use the hash tracker for this guest",
                        "process %d has no code through which a system call can be made for it safely",
                        (int)pid);
        *ret = g;
        return 0;
}

bool hb_gadgets_valid(pid_t pid, const struct hb_gadgets *g) {
        uint8_t code[sizeof sigreturn_64];

        if (peek(pid, g->syscall_ret, code, sizeof syscall_ret) != sizeof syscall_ret ||
            memcmp(code, syscall_ret, sizeof syscall_ret) != 0)
                return false;
        if (peek(pid, g->sigreturn, code, sizeof code) < (ssize_t)sizeof sigreturn_32)
                return false;
        return memcmp(code, sigreturn_64, sizeof sigreturn_64) == 0 ||
               memcmp(code, sigreturn_32, sizeof sigreturn_32) == 0;
}
