/* plugin: harbinger-trace.so, loaded by QEMU: every load and store, by page and window, to a reader.
 *
 * User mode counts virtual pages, system mode the guest's memory (offset / 4096, the daemon's gfn of a guest
 * with one memory back-end). An access over a page's end counts for both pages; an atomic read-modify-write
 * is one read and one write. Not seen, because no instruction's load or store: fetching the code itself, what
 * devices write (DMA), and in user mode what the kernel reads and writes for a system call.
 *
 * The emulator's callbacks carry no pointer of ours everywhere, so what is recorded is one per process. A
 * forked child of a program records nothing: its parent's stream goes on undisturbed. */
#include "plugin/arguments.h"
#include "plugin/qemu_api.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SHIFT      12
#define PAGE_LAST       ((1u << PAGE_SHIFT) - 1)
#define LARGEST_ACCESS  64u
#define FOUR_GIB        (1ull << 32)
#define X86_64_EXECVE   59
#define X86_64_EXECVEAT 322
#define NEW_API         2

static struct {
        struct hb_windows windows;
        struct hb_arguments arguments;
        uint32_t also_read; /* the bit that a store which reads first has set */
        pid_t pid;
        bool started, x86_64;
} self;

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* QEMU from 9.0 on refuses plugins of version 1, those before any of a later one. All that we use is the
 * same. */
__attribute__((constructor)) static void choose_version(void) {
        if (dlsym(RTLD_DEFAULT, "qemu_plugin_scoreboard_new"))
                qemu_plugin_version = NEW_API;
}

/* ---- the hot path ---- */

static inline void count(struct hb_vcpu *v, qemu_plugin_meminfo_t info, uint64_t page) {
        bool write = qemu_plugin_mem_is_store(info);

        hb_vcpu_count(&self.windows, v, page, write);
        if (__builtin_expect(write && (info & self.also_read), 0))
                hb_vcpu_count(&self.windows, v, page, false);
}

/* Is a byte of it on the next page? */
static inline bool reaches_over(qemu_plugin_meminfo_t info, uint64_t vaddr) {
        unsigned at = (unsigned)vaddr & PAGE_LAST;

        return __builtin_expect(at > PAGE_LAST + 1 - LARGEST_ACCESS, 0) &&
               at + (1u << qemu_plugin_mem_size_shift(info)) > PAGE_LAST + 1;
}

static void program_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused) {
        struct hb_vcpu *v = hb_vcpu_of(&self.windows, vcpu);

        if (!v)
                return;
        count(v, info, vaddr >> PAGE_SHIFT);
        if (reaches_over(info, vaddr))
                count(v, info, (vaddr >> PAGE_SHIFT) + 1);
}

static void count_physical(struct hb_vcpu *v, qemu_plugin_meminfo_t info, uint64_t vaddr) {
        const struct hb_address_space *s = &self.arguments.space;
        const struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
        uint64_t address;

        if (!at || qemu_plugin_hwaddr_is_io(at))
                return;
        address = qemu_plugin_hwaddr_phys_addr(at);
        if (s->below4g && address >= s->below4g) {
                if (address < FOUR_GIB)
                        return;
                address -= FOUR_GIB - s->below4g;
        }
        if (address < s->ram)
                count(v, info, address >> PAGE_SHIFT);
}

static void guest_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused) {
        struct hb_vcpu *v = hb_vcpu_of(&self.windows, vcpu);

        if (!v)
                return;
        count_physical(v, info, vaddr);
        if (reaches_over(info, vaddr))
                count_physical(v, info, (vaddr | PAGE_LAST) + 1);
}

static void block_runs(unsigned vcpu, void *insns) {
        struct hb_vcpu *v = hb_vcpu_of(&self.windows, vcpu);

        if (v)
                hb_vcpu_insns(&self.windows, v, (unsigned)(uintptr_t)insns);
}

/* ---- the emulator's events ---- */

/* Asked for reads and writes together: QEMU 7.2 takes the one for the other when asked for one of them. */
static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
        qemu_plugin_mem_cb_t access = self.arguments.windows.whole_guest ? guest_access : program_access;
        size_t n = qemu_plugin_tb_n_insns(tb);

        if (self.arguments.windows.unit == HB_UNIT_INSTRUCTIONS)
                qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, QEMU_PLUGIN_CB_NO_REGS,
                                                     (void *)(uintptr_t)n);
        for (size_t i = 0; i < n; i++)
                qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), access,
                                                 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}

/* An atomic read-modify-write is told once, as a store, or as a load and a store, by QEMU's release. In the
 * first case both bits of the direction are set in what the interface calls opaque; whether they are where
 * they have been since 4.2 can be asked. */
static uint32_t read_bit(void) {
        uint32_t r = QEMU_PLUGIN_MEM_R << 16, w = QEMU_PLUGIN_MEM_W << 16;

        return qemu_plugin_mem_is_store(w) && qemu_plugin_mem_is_store(r | w) && !qemu_plugin_mem_is_store(r)
                       ? r
                       : 0;
}

/* The first one starts all: an emulator that becomes a daemon has done so by then. */
static void vcpu_begins(qemu_plugin_id_t id, unsigned vcpu) {
        if (!self.started) {
                self.started = true;
                self.pid = getpid();
                if (hb_windows_start(&self.windows, &self.arguments.windows) < 0)
                        qemu_plugin_outs("harbinger-trace: no memory or thread, nothing is recorded\n");
        }
        if (getpid() == self.pid && self.windows.limit)
                (void)hb_vcpu_add(&self.windows, vcpu);
}

static void vcpu_waits(qemu_plugin_id_t id, unsigned vcpu) {
        struct hb_vcpu *v = hb_vcpu_of(&self.windows, vcpu);

        if (v)
                hb_vcpu_park(&self.windows, v);
}

static void vcpu_calls(qemu_plugin_id_t id, unsigned vcpu, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
        vcpu_waits(id, vcpu);
        if (self.x86_64 && (num == X86_64_EXECVE || num == X86_64_EXECVEAT))
                hb_windows_flush(&self.windows); /* what follows may not be ours to see */
}

static void emulator_ends(qemu_plugin_id_t id, void *unused) {
        if (self.started && getpid() == self.pid)
                hb_windows_finish(&self.windows);
}

static void in_parent(void) {
        if (self.started)
                atomic_fetch_add(&self.windows.forks, 1);
}

static void in_child(void) {
        if (self.started)
                hb_windows_stop(&self.windows);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
                                                               int argc, char **argv) {
        char why[256], line[320];

        if (hb_arguments_parse(argc, argv, info->system_emulation, info->version.cur, &self.arguments, why,
                               sizeof(why)) < 0) {
                snprintf(line, sizeof(line), "harbinger-trace: %s\n", why);
                (void)!write(STDERR_FILENO, line, strlen(line));
                return -1;
        }
        self.x86_64 = strcmp(info->target_name, "x86_64") == 0;
        self.also_read = read_bit();
        pthread_atfork(NULL, in_parent, in_child);
        qemu_plugin_register_vcpu_init_cb(id, vcpu_begins);
        qemu_plugin_register_vcpu_exit_cb(id, vcpu_waits);
        if (info->system_emulation)
                qemu_plugin_register_vcpu_idle_cb(id, vcpu_waits);
        else
                qemu_plugin_register_vcpu_syscall_cb(id, vcpu_calls);
        qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
        qemu_plugin_register_atexit_cb(id, emulator_ends, NULL);
        return 0;
}
