/* sigframe: what the kernel itself would push to run a signal handler
 * (arch/x86/include/uapi/asm/sigcontext.h, arch/x86/kernel/signal_64.c), pushed by us.
 *
 * Invariant: rt_sigreturn on this frame restores every register the thread had, its vector state and its
 * signal mask, and leaves its alternate stack alone. A syscall that was interrupted is made again from its
 * start; the ordinary way out does not use the frame at all (inject.c), it is there for the day our process
 * is killed between two ptrace calls. */
#include "track/sigframe.h"
#include <cpuid.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define RED_ZONE      128u
#define FXSAVE_BYTES  512u
#define XSAVE_HEADER  64u
#define SW_RESERVED   464u        /* offset in the FXSAVE area of the kernel's own note */
#define MAGIC1        0x46505853u /* FP_XSTATE_MAGIC1 */
#define MAGIC2        0x46505845u /* FP_XSTATE_MAGIC2, directly behind the extended state */
#define AMX_BITS      (3ull << 17)
#define UC_FLAGS_ALL  7u      /* UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
#define BAD_ALTSTACK  0x7fffu /* a flag value sigaltstack refuses: the thread's own stays as it is */
#define ERESTARTSYS   512
#define ERESTART_LAST 516

struct sigcontext64 {
        uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
        uint16_t cs, gs, fs, ss;
        uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct frame {
        uint64_t restorer;
        uint64_t uc_flags, uc_link, stack_sp;
        uint32_t stack_flags, pad;
        uint64_t stack_size;
        struct sigcontext64 mc;
        uint64_t mask;
};
_Static_assert(sizeof(struct sigcontext64) == 256, "kernel layout");
_Static_assert(offsetof(struct frame, mc) == 8 + 40, "kernel layout");

struct sw_bytes {
        uint32_t magic1, extended_size;
        uint64_t xfeatures;
        uint32_t xstate_size, pad[7];
};

/* End of the last component of `features` in the standard (not compacted) XSAVE layout. */
static size_t xstate_end(uint64_t features) {
        size_t end = FXSAVE_BYTES + XSAVE_HEADER;

        for (unsigned i = 2; i < 63; i++) {
                unsigned size, offset, c, d;

                if (!(features >> i & 1) || !__get_cpuid_count(0xd, i, &size, &offset, &c, &d))
                        continue;
                if (!(c & 1) &&
                    offset + size > end) /* bit 0 of ecx: a supervisor component, not in user frames */
                        end = offset + size;
        }
        return end;
}

/* Copies the extended state with the kernel's note in it; returns the bytes used, 0 when it cannot be
 * described. */
static size_t put_xstate(uint8_t *out, const uint8_t *xstate, size_t bytes) {
        struct sw_bytes sw = {.magic1 = MAGIC1};
        uint32_t magic2 = MAGIC2;
        uint64_t in_use;

        if (bytes < FXSAVE_BYTES + XSAVE_HEADER)
                return 0;
        memcpy(&sw.xfeatures, xstate + SW_RESERVED, 8); /* ptrace: the kernel's mask of user features */
        memcpy(&in_use, xstate + FXSAVE_BYTES, 8);
        /* A task that never used AMX has no room for it in the kernel, and a frame larger than that room is
         * refused. */
        if (!(in_use & AMX_BITS))
                sw.xfeatures &= ~AMX_BITS;
        sw.xstate_size = (uint32_t)xstate_end(sw.xfeatures);
        sw.extended_size = sw.xstate_size + 4;
        if (sw.xstate_size > bytes)
                return 0;
        memcpy(out, xstate, sw.xstate_size);
        memcpy(out + SW_RESERVED, &sw, sizeof sw);
        memcpy(out + sw.xstate_size, &magic2, 4);
        return sw.extended_size;
}

void hb_sigframe_restart(struct user_regs_struct *regs) {
        long result = (long)regs->rax;

        if ((long)regs->orig_rax < 0 || result > -ERESTARTSYS || result < -ERESTART_LAST)
                return;
        regs->rax = regs->orig_rax;
        regs->rip -= 2; /* back onto the two bytes of `syscall` */
        regs->orig_rax = (unsigned long long)-1;
}

static void put_registers(struct sigcontext64 *mc, const struct user_regs_struct *r) {
        *mc = (struct sigcontext64){.r8 = r->r8,
                                    .r9 = r->r9,
                                    .r10 = r->r10,
                                    .r11 = r->r11,
                                    .r12 = r->r12,
                                    .r13 = r->r13,
                                    .r14 = r->r14,
                                    .r15 = r->r15,
                                    .di = r->rdi,
                                    .si = r->rsi,
                                    .bp = r->rbp,
                                    .bx = r->rbx,
                                    .dx = r->rdx,
                                    .ax = r->rax,
                                    .cx = r->rcx,
                                    .sp = r->rsp,
                                    .ip = r->rip,
                                    .flags = r->eflags,
                                    .cs = (uint16_t)r->cs,
                                    .ss = (uint16_t)r->ss};
}

int hb_sigframe_build(const struct user_regs_struct *regs, const void *xstate, size_t xstate_bytes,
                      uint64_t mask, uint64_t restorer, uint8_t out[HB_SIGFRAME_MAX], uint64_t *ret_sp) {
        struct user_regs_struct restarted = *regs;
        uint64_t top = (regs->rsp - RED_ZONE) & ~63ull, fp, sp;
        struct frame f = {
                .restorer = restorer, .uc_flags = UC_FLAGS_ALL, .stack_flags = BAD_ALTSTACK, .mask = mask};
        size_t ext = 64 + xstate_bytes + 4;

        if (ext + sizeof f + 64 > HB_SIGFRAME_MAX)
                return -E2BIG;
        fp = (top - ext) & ~63ull;
        sp = ((fp - sizeof f) & ~15ull) - 8; /* as at a function's entry */
        memset(out, 0, HB_SIGFRAME_MAX);
        if (!put_xstate(out + (fp - sp), xstate, xstate_bytes))
                return -EINVAL;
        hb_sigframe_restart(&restarted);
        put_registers(&f.mc, &restarted);
        f.mc.fpstate = fp;
        memcpy(out, &f, sizeof f);
        *ret_sp = sp;
        return (int)(top - sp);
}
