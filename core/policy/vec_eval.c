/* vec_eval: runs a graph of vector operations block by block.
 *
 * Invariant: a step's destination is a register nobody reads from any more, so kernels may assume no overlap.
 * Numbers get a register of their own that is filled once. Cost: one kernel call of BLOCK elements a step and
 * block (2 ns each beside the elements' own time); memory is touched once a column. State: one userdata in
 * the registry of the Lua state. */
#include "policy/vec.h"
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#define BLOCK     256
#define MAX_ROOTS 2
#define MAX_STEPS (MAX_ROOTS * HB_VEC_MAX_NODES)

struct step {
        hb_vec_kernel *run;
        float *dst;
        struct {
                const float *base;
                size_t stride; /* 1: a column, moves with the block; 0: a register */
        } src[3];
};

struct plan {
        uint32_t serial, call;
        unsigned nsteps, nregs, nfree;
        uint16_t free[MAX_STEPS];
        struct step steps[MAX_STEPS];
        struct hb_vec_node *order[MAX_STEPS];
        float regs[MAX_STEPS][BLOCK];
};

static const char plan_key = 0;

/* Registers must not straddle cache lines, and Lua aligns a userdata to 8 bytes only. */
static struct plan *aligned(void *room) {
        return (struct plan *)(((uintptr_t)room + 63) & ~(uintptr_t)63);
}

void hb_vec_eval_open(lua_State *L) {
        struct plan *p = aligned(lua_newuserdatauv(L, sizeof(struct plan) + 63, 0));

        p->serial = p->call = 0;
        lua_rawsetp(L, LUA_REGISTRYINDEX, &plan_key);
}

static struct plan *plan_of(lua_State *L) {
        struct plan *p;

        lua_rawgetp(L, LUA_REGISTRYINDEX, &plan_key);
        p = aligned(lua_touserdata(L, -1));
        lua_pop(L, 1);
        return p;
}

void hb_vec_begin_call(lua_State *L) {
        plan_of(L)->call++;
}

uint32_t hb_vec_call(lua_State *L) {
        return plan_of(L)->call;
}

static void check_fresh(lua_State *L, const struct plan *p, const struct hb_vec_node *node) {
        if (node->kind == HB_VEC_COLUMN && node->call != p->call)
                luaL_error(L, "a column of an earlier call is used; keep values over calls with :copy()");
}

void hb_vec_check_fresh(lua_State *L, const struct hb_vec_node *node) {
        check_fresh(L, plan_of(L), node);
}

/* Post-order list of the distinct operations below `node`, with how often each is used; being a root is one
 * use, so a result's register is never given back. The depth is bounded by the size. */
static unsigned visit(lua_State *L, struct plan *p, struct hb_vec_node *node, unsigned count) {
        check_fresh(L, p, node);
        if (node->kind != HB_VEC_OP)
                return count;
        if (node->plan.serial == p->serial) {
                node->plan.uses++;
                return count;
        }
        node->plan.serial = p->serial;
        node->plan.uses = 1;
        for (unsigned k = 0; k < hb_vec_operands(node->op); k++)
                if (node->arg[k].node)
                        count = visit(L, p, node->arg[k].node, count);
        p->order[count] = node;
        return count + 1;
}

static uint16_t get_reg(struct plan *p) {
        return p->nfree ? p->free[--p->nfree] : (uint16_t)p->nregs++;
}

static const float *number_reg(struct plan *p, float number) {
        float *reg = p->regs[p->nregs++];

        for (unsigned i = 0; i < BLOCK; i++)
                reg[i] = number;
        return reg;
}

static void set_source(struct plan *p, struct step *s, unsigned k, const struct hb_vec_arg *arg) {
        const struct hb_vec_node *node = arg->node;

        if (!node)
                s->src[k].base = number_reg(p, arg->number);
        else if (node->kind == HB_VEC_CONST)
                s->src[k].base = number_reg(p, node->number);
        else if (node->kind == HB_VEC_OP)
                s->src[k].base = p->regs[node->plan.reg];
        else {
                s->src[k].base = node->data;
                s->src[k].stride = 1;
        }
}

static void add_step(struct plan *p, struct hb_vec_node *node) {
        struct step *s = &p->steps[p->nsteps++];
        unsigned operands = hb_vec_operands(node->op);

        s->run = hb_vec_kernel_of(node->op);
        for (unsigned k = 0; k < 3; k++) {
                s->src[k].base = p->regs[0]; /* unused ones point somewhere */
                s->src[k].stride = 0;
        }
        for (unsigned k = 0; k < operands; k++)
                set_source(p, s, k, &node->arg[k]);
        node->plan.reg = get_reg(p); /* before the sources' are given back */
        s->dst = p->regs[node->plan.reg];
        for (unsigned k = 0; k < operands; k++) {
                struct hb_vec_node *from = node->arg[k].node;
                if (from && from->kind == HB_VEC_OP && --from->plan.uses == 0)
                        p->free[p->nfree++] = from->plan.reg;
        }
}

static void run_block(const struct plan *p, size_t at, size_t n) {
        for (unsigned i = 0; i < p->nsteps; i++) {
                const struct step *s = &p->steps[i];
                s->run(s->dst, s->src[0].base + s->src[0].stride * at, s->src[1].base + s->src[1].stride * at,
                       s->src[2].base + s->src[2].stride * at, n);
        }
}

static void store(const struct plan *p, const struct hb_vec_node *root, float *out, size_t at, size_t n) {
        if (root->kind == HB_VEC_OP)
                memcpy(out + at, p->regs[root->plan.reg], n * sizeof *out);
        else if (root->kind == HB_VEC_CONST)
                for (size_t i = 0; i < n; i++)
                        out[at + i] = root->number;
        else
                memcpy(out + at, root->data + at, n * sizeof *out);
}

/* Lua runs its hook between instructions only, and a large evaluation is one: so here between blocks, too.
 * The sandbox's hooks, the only ones there are, need no activation record. */
static void look_at_the_clock(lua_State *L) {
        lua_Hook hook = lua_gethook(L);

        if (hook)
                hook(L, NULL);
}

void hb_vec_eval(lua_State *L, struct hb_vec_node *const *roots, float *const *out, unsigned nroots) {
        struct plan *p = plan_of(L);
        unsigned count = 0;

        p->serial++;
        p->nsteps = p->nregs = p->nfree = 0;
        for (unsigned r = 0; r < nroots; r++)
                count = visit(L, p, roots[r], count);
        for (unsigned i = 0; i < count; i++)
                add_step(p, p->order[i]);
        for (size_t at = 0; at < roots[0]->n; at += BLOCK) {
                size_t n = roots[0]->n - at < BLOCK ? roots[0]->n - at : BLOCK;
                look_at_the_clock(L);
                run_block(p, at, n);
                for (unsigned r = 0; r < nroots; r++)
                        store(p, roots[r], out[r], at, n);
        }
}
