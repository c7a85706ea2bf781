/* sandbox: birth, run and death of a policy's Lua state.
 *
 * Why an arena and not lua_close: closing runs the policy's code (__gc, __close), and a state that was cut
 * off at its deadline may be in the middle of anything. Dropping the memory runs nothing. Why the hook leaves
 * by hb_guard_leave instead of raising an error: an error can be caught by pcall, and runs __close handlers
 * on its way. Cost: 30-40 us for a fresh state; 3 us a call beyond the policy's own work. */
#include "policy/sandbox.h"
#include "base/fault.h"
#include "policy/arena.h"
#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_INSTRUCTIONS 100 /* between two looks at the clock where there is no timer */
#define SETUP_NS          2000000000ull

struct hb_sandbox {
        hb_arena *arena;
        hb_guard *guard;
        lua_State *L; /* NULL: no state */
        uint64_t seed, random_state;
};

struct call {
        hb_sandbox *s;
        lua_CFunction f;
        void *arg;
        char *message;
        int rc;
};

static void *allocate(void *arena, void *p, size_t old, size_t size) {
        return hb_arena_realloc(arena, p, size);
}

static hb_sandbox *sandbox_of(lua_State *L) {
        return *(hb_sandbox **)lua_getextraspace(L);
}

/* An error outside every protected call: cannot happen, since all runs inside one; leave rather than abort
 * the daemon. */
static int on_panic(lua_State *L) {
        hb_guard_leave(sandbox_of(L)->guard);
}

static void on_deadline(lua_State *L, lua_Debug *ar) {
        hb_guard_leave(sandbox_of(L)->guard);
}

static void on_poll(lua_State *L, lua_Debug *ar) {
        hb_guard *g = sandbox_of(L)->guard;

        if (hb_guard_due(g))
                hb_guard_leave(g);
}

/* In a signal handler: lua_sethook is what Lua offers for this. The state has no coroutines, so L is what is
 * running. */
static void interrupt(void *arg) {
        const struct call *c = arg;

        if (c->s->L)
                lua_sethook(c->s->L, on_deadline, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                            1);
}

static void copy_message(lua_State *L, char message[HB_SANDBOX_MESSAGE]) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        size_t i;

        if (!text) {
                snprintf(message, HB_SANDBOX_MESSAGE, "an error value that is no string but a %s",
                         luaL_typename(L, -1));
                return;
        }
        for (i = 0; i < HB_SANDBOX_MESSAGE - 1 && text[i]; i++)
                message[i] = isprint((unsigned char)text[i]) ? text[i]
                                                             : '?'; /* it ends on an operator's terminal */
        message[i] = 0;
}

static void run(void *arg) {
        struct call *c = arg;
        lua_State *L = c->s->L;
        int status;

        if (hb_guard_polled(c->s->guard))
                lua_sethook(L, on_poll, LUA_MASKCOUNT, POLL_INSTRUCTIONS);
        lua_settop(L, 0);
        lua_pushcfunction(L, c->f);
        lua_pushlightuserdata(L, c->arg);
        status = lua_pcall(L, 1, 0, 0);
        c->rc = status == LUA_OK ? 0 : status == LUA_ERRMEM ? -ENOMEM : -EINVAL;
        if (status != LUA_OK)
                copy_message(L, c->message);
        lua_settop(L, 0);
}

static int guarded(hb_sandbox *s, uint64_t budget_ns, void (*work)(void *), struct call *c,
                   uint64_t *ret_cpu_ns) {
        struct hb_guard_job job = {.run = work, .interrupt = interrupt, .arg = c};
        uint64_t cpu_ns;
        int rc = hb_guard_run(s->guard, budget_ns, &job, &cpu_ns);

        if (rc < 0) {
                s->L = NULL;
                hb_arena_reset(s->arena);
                snprintf(c->message, HB_SANDBOX_MESSAGE, "stopped after %.1f ms, its deadline is %.1f ms",
                         (double)cpu_ns / 1e6, (double)budget_ns / 1e6);
        }
        if (ret_cpu_ns)
                *ret_cpu_ns = cpu_ns;
        return rc < 0 ? rc : c->rc;
}

int hb_sandbox_call(hb_sandbox *s, uint64_t budget_ns, lua_CFunction f, void *arg,
                    char message[HB_SANDBOX_MESSAGE], uint64_t *ret_cpu_ns) {
        struct call c = {.s = s, .f = f, .arg = arg, .message = message};

        if (!s->L) {
                snprintf(message, HB_SANDBOX_MESSAGE, "the policy is not loaded");
                return -EINVAL;
        }
        return guarded(s, budget_ns, run, &c, ret_cpu_ns);
}

static int open_env(lua_State *L) {
        hb_sandbox_open_env(L, lua_touserdata(L, 1));
        return 0;
}

static void make(void *arg) {
        struct call *c = arg;
        hb_sandbox *s = c->s;
        lua_State *L = lua_newstate(allocate, s->arena);

        if (!L) {
                c->rc = -ENOMEM;
                return;
        }
        *(hb_sandbox **)lua_getextraspace(L) = s;
        lua_atpanic(L, on_panic);
        s->L = L;
        c->f = open_env;
        c->arg = &s->random_state;
        run(c);
}

int hb_sandbox_reset(hb_sandbox *s) {
        char message[HB_SANDBOX_MESSAGE];
        struct call c = {.s = s, .message = message};
        int rc;

        s->L = NULL;
        s->random_state = s->seed;
        hb_arena_reset(s->arena);
        rc = guarded(s, SETUP_NS, make, &c, NULL);
        if (rc < 0)
                s->L = NULL;
        return rc;
}

int hb_sandbox_new(size_t memory_bytes, uint64_t seed, hb_guard *guard, hb_sandbox **ret) {
        hb_sandbox *s = calloc(1, sizeof *s);
        int rc;

        if (!s)
                return -ENOMEM;
        s->guard = guard;
        s->seed = seed;
        rc = hb_arena_new(memory_bytes, &s->arena);
        if (rc == 0)
                rc = hb_sandbox_reset(s);
        if (rc < 0) {
                hb_sandbox_free(s);
                return rc;
        }
        *ret = s;
        return 0;
}

hb_sandbox *hb_sandbox_free(hb_sandbox *s) {
        if (s) {
                hb_arena_free(s->arena);
                free(s);
        }
        return NULL;
}

/* The hook is there when the deadline has passed, or always where there is no timer; the sandbox's own need
 * no activation record. */
void hb_sandbox_look_at_clock(lua_State *L) {
        lua_Hook hook = lua_gethook(L);

        if (hook)
                hook(L, NULL);
}

void hb_sandbox_shield(lua_State *L) {
        hb_guard_shield(sandbox_of(L)->guard);
}

void hb_sandbox_unshield(lua_State *L) {
        hb_guard_unshield(sandbox_of(L)->guard);
}

struct hb_sandbox_copy {
        hb_arena_copy *arena;
        struct hb_sandbox sandbox;
};

int hb_sandbox_keep(const hb_sandbox *s, hb_sandbox_copy **ret) {
        hb_sandbox_copy *c = s->L ? malloc(sizeof *c) : NULL;
        int rc;

        if (!c)
                return s->L ? -ENOMEM : -ENOENT;
        c->sandbox = *s;
        rc = hb_arena_keep(s->arena, &c->arena);
        if (rc < 0) {
                free(c);
                return rc;
        }
        *ret = c;
        return 0;
}

void hb_sandbox_put_back(hb_sandbox *s, hb_sandbox_copy *c) {
        *s = c->sandbox;
        hb_arena_put_back(s->arena, c->arena);
        hb_arena_copy_free(c->arena);
        free(c);
}

bool hb_sandbox_alive(const hb_sandbox *s) {
        return s->L != NULL;
}

size_t hb_sandbox_memory(const hb_sandbox *s) {
        return hb_arena_used(s->arena);
}

void hb_sandbox_compile(lua_State *L, const char *source, size_t size, const char *chunk) {
        lua_pushfstring(L, "@%s", chunk);
        if (luaL_loadbufferx(L, source, size, lua_tostring(L, -1), "t") != LUA_OK)
                lua_error(L);
        lua_remove(L, -2);
}
