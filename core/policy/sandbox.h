/* sandbox: one Lua state for one policy, from which nothing of the host can be reached and which cannot run
 * on for ever.
 *
 * A state has an allow-list of globals (sandbox_env.c), takes text chunks only, lives in an arena that is its
 * memory cap, and is only ever run inside hb_sandbox_call, under a deadline. After a deadline the state is
 * gone: it was left in the middle of something and is never looked at again. One thread at a time. Only
 * core/policy's Lua files include this. */
#pragma once
#include "policy/guard.h"
#include <lua.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hb_sandbox hb_sandbox;

#define HB_SANDBOX_MESSAGE 224

int hb_sandbox_new(size_t memory_bytes, uint64_t seed, hb_guard *guard,
                   hb_sandbox **ret); /* the guard is borrowed */
hb_sandbox *hb_sandbox_free(hb_sandbox *s);
/* Throws the state away, if there is one, and makes a fresh one with the policy environment. -ENOMEM: the cap
 * is too low. */
int hb_sandbox_reset(hb_sandbox *s);
bool hb_sandbox_alive(const hb_sandbox *s);
/* Runs `f` with the light userdata `arg` as its one argument, protected and under the deadline; the state's
 * stack is empty before and after. 0; -ETIME over the deadline, the state is gone; -ENOMEM over the memory;
 * -EINVAL any other error, with Lua's message, printable, in `message`. *ret_cpu_ns may be NULL. */
int hb_sandbox_call(hb_sandbox *s, uint64_t budget_ns, lua_CFunction f, void *arg,
                    char message[HB_SANDBOX_MESSAGE], uint64_t *ret_cpu_ns);
/* The state as it is, to be put back after calls that must leave no trace, whatever became of them. -ENOENT:
 * it is dead. */
typedef struct hb_sandbox_copy hb_sandbox_copy;
int hb_sandbox_keep(const hb_sandbox *s, hb_sandbox_copy **ret);
void hb_sandbox_put_back(hb_sandbox *s, hb_sandbox_copy *c); /* takes it over */
/* Compiles text named `chunk` ("predict/ewma.lua") and leaves the function on the stack, or raises; inside a
 * call only. */
void hb_sandbox_compile(lua_State *L, const char *source, size_t size, const char *chunk);
/* For C functions of the environment that work on more than some hundred elements: from time to time, so that
 * a deadline ends them as it ends Lua code; does not return then. Not while shielded. */
void hb_sandbox_look_at_clock(lua_State *L);
/* hb_guard_shield and hb_guard_unshield of the state's guard: nothing between them may raise a Lua error. */
void hb_sandbox_shield(lua_State *L);
void hb_sandbox_unshield(lua_State *L);
size_t hb_sandbox_memory(const hb_sandbox *s);

/* sandbox_env.c: fills the globals of a new state; raises a Lua error on no memory. */
void hb_sandbox_open_env(lua_State *L, uint64_t *random_state);
/* sandbox_order.c: pairs and table.sort for the policy. */
int hb_sandbox_pairs(lua_State *L);
int hb_sandbox_sort(lua_State *L);
