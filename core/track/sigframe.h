/* sigframe: a signal frame made by hand below a stopped thread's stack, so that a syscall injected into the
 * thread ends in rt_sigreturn and the thread finds itself again even if we die in the middle. x86-64 only. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define HB_SIGFRAME_MAX 16384u /* frame and extended state, AMX tiles included */

/* Builds the frame for a thread whose registers are `regs`, extended state `xstate` (PTRACE_GETREGSET
 * NT_X86_XSTATE) and signal mask `mask`; `restorer` is the address of its libc's rt_sigreturn code. *ret_sp:
 * where the bytes belong and what the stack pointer must be. Returns the number of bytes in `out`, or -E2BIG
 * / -EINVAL. */
int hb_sigframe_build(const struct user_regs_struct *regs, const void *xstate, size_t xstate_bytes,
                      uint64_t mask, uint64_t restorer, uint8_t out[HB_SIGFRAME_MAX], uint64_t *ret_sp);

/* What `regs` must become so that a thread stopped inside a syscall makes that call again from the start. */
void hb_sigframe_restart(struct user_regs_struct *regs);
