/* vec: hb.vec, the columns a policy computes with. Only core/policy's Lua files include this.
 *
 * An expression on columns is not computed where it is written: it builds a small graph, and the graph is run
 * when its values are needed (a result handed back, an element read, a sum), in blocks that stay in the
 * first-level cache. So a formula of thirty operations reads each input column once and writes its result
 * once, and leaves no garbage of column size.
 *
 * The values are those of the moment of writing: graph nodes never change, and in-place forms only make a
 * name stand for another node. A *column* node points at the host's memory for the length of one call; used
 * later it is an error. Everything here runs inside a protected call of the state. */
#pragma once
#include "policy/vec_kernels.h"
#include <lua.h>
#include <stdint.h>

#define HB_VEC_MAX_NODES 128 /* of one expression; larger ones are computed in parts */

enum hb_vec_kind { HB_VEC_OP, HB_VEC_DATA, HB_VEC_COLUMN, HB_VEC_CONST };

struct hb_vec_node;
struct hb_vec_arg { /* an operand: a node, or a number that stands for n equal elements */
        struct hb_vec_node *node;
        float number;
};

struct hb_vec_node { /* a userdata; what it points at is held by its user values */
        enum hb_vec_kind kind;
        enum hb_vec_op op;
        uint32_t n, size; /* size: nodes and numbers below and including this one, at most HB_VEC_MAX_NODES */
        float number;     /* HB_VEC_CONST */
        uint32_t call;    /* HB_VEC_COLUMN: the call it belongs to */
        const float *data; /* HB_VEC_DATA, HB_VEC_COLUMN */
        struct hb_vec_arg arg[3];
        struct { /* while a plan is made */
                uint32_t serial, uses;
                uint16_t reg;
        } plan;
};

/* Opens the type in a new state and leaves the table `hb` on the stack. */
void hb_vec_open(lua_State *L);
/* Pushes a column over the host's memory (NULL: zeros). */
void hb_vec_push_column(lua_State *L, const float *data, uint32_t n);
/* The vector at `index` on the stack, NULL if it is something else. */
struct hb_vec_node *hb_vec_test(lua_State *L, int index);
/* Computes up to two nodes of equal length into memory of the host's; raises a Lua error if one rests on a
 * stale column. */
void hb_vec_eval(lua_State *L, struct hb_vec_node *const *roots, float *const *out, unsigned nroots);
/* A new call of the policy begins: columns pushed before are stale from now on. */
void hb_vec_begin_call(lua_State *L);
/* Pushes a new vector of its own memory; its n floats are the caller's to fill, at once. */
float *hb_vec_push_new(lua_State *L, uint32_t n);
/* The vector at `index`, or a Lua error that begins with `doing`. */
struct hb_vec_node *hb_vec_check(lua_State *L, int index, const char *doing);
/* The values of the vector there, computed now if they were not: valid as long as the vector is on the stack
 * and this call lasts. */
const float *hb_vec_values(lua_State *L, int index);
/* A length (0 to HB_POLICY_BATCH) at `index`, or a Lua error. */
uint32_t hb_vec_check_length(lua_State *L, int index, const char *doing);
/* vec_reduce.c and vec_index.c add theirs to the table on top of the stack. */
void hb_vec_add_reductions(lua_State *L);
void hb_vec_add_index_methods(lua_State *L);
void hb_vec_add_index_functions(lua_State *L);
/* hb.random_vec(n); upvalue 1 is the state of the sequence, a light userdata (uint64_t *). */
int hb_vec_f_random(lua_State *L);
/* vec_eval.c: makes the evaluator's registers; called by hb_vec_open. */
void hb_vec_eval_open(lua_State *L);
uint32_t hb_vec_call(lua_State *L);                                    /* the number of the call going on */
void hb_vec_check_fresh(lua_State *L, const struct hb_vec_node *node); /* raises if it is a stale column */
