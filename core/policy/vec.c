/* vec: the Lua face of hb.vec. A value in Lua is a *handle*, a userdata that names a node; nodes never change
 * their value, so an in-place form gives the handle another node and nobody who used the old one notices.
 *
 * Invariant: a node's operands are its user values 1..3 (a node with data: 1 is the buffer), a handle's node
 * its user value 1, so Lua's collector keeps exactly what is reachable. Cost: two small userdata an
 * operation, whatever the length. */
#include "policy/vec.h"
#include "policy/policy.h"
#include "policy/sandbox.h"
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TYPE "hb.vec"

struct handle {
        struct hb_vec_node *node;
};

struct hb_vec_node *hb_vec_test(lua_State *L, int index) {
        struct handle *h = luaL_testudata(L, index, TYPE);
        return h ? h->node : NULL;
}

struct hb_vec_node *hb_vec_check(lua_State *L, int index, const char *doing) {
        struct hb_vec_node *node = hb_vec_test(L, index);

        if (!node)
                luaL_error(L, "%s: a vector expected, got %s (methods are called with ':')", doing,
                           luaL_typename(L, index));
        return node;
}

/* Replaces the node on top of the stack by a handle of it. */
static void push_handle(lua_State *L, struct hb_vec_node *node) {
        struct handle *h = lua_newuserdatauv(L, sizeof *h, 1);

        h->node = node;
        lua_insert(L, -2);
        lua_setiuservalue(L, -2, 1);
        luaL_setmetatable(L, TYPE);
}

static struct hb_vec_node *push_node(lua_State *L, enum hb_vec_kind kind, uint32_t n) {
        struct hb_vec_node *node = lua_newuserdatauv(L, sizeof *node, 3);

        memset(node, 0, sizeof *node);
        node->kind = kind;
        node->n = n;
        node->size = 1;
        return node;
}

static float *push_buffer(lua_State *L, uint32_t n) {
        return lua_newuserdatauv(L, (size_t)n * sizeof(float) + 1, 0);
}

void hb_vec_push_column(lua_State *L, const float *data, uint32_t n) {
        struct hb_vec_node *node = push_node(L, data ? HB_VEC_COLUMN : HB_VEC_CONST, n);

        node->data = data;
        node->call = hb_vec_call(L);
        push_handle(L, node);
}

float *hb_vec_push_new(lua_State *L, uint32_t n) {
        struct hb_vec_node *node = push_node(L, HB_VEC_DATA, n);
        float *data = push_buffer(L, n);

        node->data = data;
        lua_setiuservalue(L, -2, 1);
        push_handle(L, node);
        return data;
}

/* Computes the node of the handle at `index` once and for all. Columns keep pointing at the host's memory. */
const float *hb_vec_values(lua_State *L, int index) {
        struct hb_vec_node *node = hb_vec_test(L, index);
        float *data;

        hb_sandbox_look_at_clock(L); /* whoever asks will work on all of them, in one instruction of Lua's */
        hb_vec_check_fresh(L, node);
        if (node->kind == HB_VEC_DATA || node->kind == HB_VEC_COLUMN)
                return node->data;
        lua_getiuservalue(L, index, 1);
        data = push_buffer(L, node->n);
        hb_vec_eval(L, &node, &data, 1);
        lua_setiuservalue(L, -2, 1);
        for (int k = 2; k <= 3; k++) {
                lua_pushnil(L);
                lua_setiuservalue(L, -2, k);
        }
        lua_pop(L, 1);
        memset(node->arg, 0, sizeof node->arg);
        node->kind = HB_VEC_DATA;
        node->data = data;
        node->size = 1;
        return data;
}

/* Reads the operands at 1..count; returns their common length. */
static uint32_t read_operands(lua_State *L, enum hb_vec_op op, struct hb_vec_arg *arg, unsigned count) {
        const char *name = hb_vec_op_name(op);
        const struct hb_vec_node *first = NULL;

        for (unsigned k = 0; k < count; k++) {
                int index = (int)k + 1;
                arg[k].node = hb_vec_test(L, index);
                arg[k].number = arg[k].node ? 0.0f : (float)lua_tonumber(L, index);
                if (!arg[k].node && lua_type(L, index) != LUA_TNUMBER)
                        luaL_error(L, "%s: operand %d must be a vector or a number, not %s", name, index,
                                   luaL_typename(L, index));
                if (first && arg[k].node && arg[k].node->n != first->n)
                        luaL_error(L, "%s: vectors of %d and %d elements", name, (int)first->n,
                                   (int)arg[k].node->n);
                if (!first)
                        first = arg[k].node;
        }
        if (!first)
                luaL_error(L, "%s: at least one operand must be a vector", name);
        return first->n;
}

static uint32_t size_of(const struct hb_vec_arg *arg, unsigned count) {
        uint32_t size = 1;

        for (unsigned k = 0; k < count; k++)
                size += arg[k].node ? arg[k].node->size : 1;
        return size;
}

/* Pushes the handle of a new operation on the values at 1..operands. */
static void push_op(lua_State *L, enum hb_vec_op op) {
        struct hb_vec_arg arg[3] = {0};
        unsigned count = hb_vec_operands(op);
        uint32_t n = read_operands(L, op, arg, count);
        struct hb_vec_node *node;

        if (size_of(arg, count) > HB_VEC_MAX_NODES)
                for (unsigned k = 0; k < count; k++)
                        if (arg[k].node && arg[k].node->kind == HB_VEC_OP)
                                hb_vec_values(L, (int)k + 1);
        node = push_node(L, HB_VEC_OP, n);
        node->op = op;
        node->size = size_of(arg, count);
        memcpy(node->arg, arg, sizeof arg);
        for (unsigned k = 0; k < count; k++)
                if (arg[k].node) {
                        lua_getiuservalue(L, (int)k + 1, 1);
                        lua_setiuservalue(L, -2, (int)k + 1);
                }
        push_handle(L, node);
}

static int m_op(lua_State *L) {
        enum hb_vec_op op = (enum hb_vec_op)lua_tointeger(L, lua_upvalueindex(1));

        lua_settop(L, (int)hb_vec_operands(op));
        push_op(L, op);
        return 1;
}

/* The vector at 1 stands for what the vector on top of the stack stands for, and is left alone there. */
static int take_over(lua_State *L) {
        struct handle *h = lua_touserdata(L, 1);

        h->node = hb_vec_test(L, -1);
        lua_getiuservalue(L, -1, 1);
        lua_setiuservalue(L, 1, 1);
        lua_settop(L, 1);
        return 1;
}

/* v:add_(x): as v:add(x), and v then stands for the result. */
static int m_op_in_place(lua_State *L) {
        enum hb_vec_op op = (enum hb_vec_op)lua_tointeger(L, lua_upvalueindex(1));

        lua_settop(L, (int)hb_vec_operands(op));
        hb_vec_check(L, 1, hb_vec_op_name(op));
        push_op(L, op);
        return take_over(L);
}

/* v:cumsum_(): as the method in upvalue 1. */
static int m_in_place(lua_State *L) {
        lua_CFunction method = lua_tocfunction(L, lua_upvalueindex(1));

        hb_vec_check(L, 1, "in place");
        method(L);
        return take_over(L);
}

static int m_copy(lua_State *L) {
        uint32_t n = hb_vec_check(L, 1, "copy")->n;
        const float *from = hb_vec_values(L, 1);
        float *to = hb_vec_push_new(L, n);

        if (n)
                memcpy(to, from, n * sizeof *to);
        return 1;
}

static int m_index(lua_State *L) {
        struct hb_vec_node *node = hb_vec_check(L, 1, "index");

        if (lua_isinteger(L, 2)) {
                lua_Integer i = lua_tointeger(L, 2);
                if (i < 1 || i > (lua_Integer)node->n)
                        return 0;
                lua_pushnumber(L, (double)hb_vec_values(L, 1)[i - 1]);
                return 1;
        }
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
                return luaL_error(L, "vectors have no '%s'",
                                  lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "such key");
        return 1;
}

static int m_refuse(lua_State *L) {
        return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

static int m_len(lua_State *L) {
        lua_pushinteger(L, (lua_Integer)hb_vec_check(L, 1, "length")->n);
        return 1;
}

static int m_tostring(lua_State *L) {
        lua_pushfstring(L, "vec(%d)", (int)hb_vec_check(L, 1, "tostring")->n);
        return 1;
}

static int push_list(lua_State *L, uint32_t n) {
        float *data = hb_vec_push_new(L, n);

        for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1)) {
                if (lua_rawgeti(L, 1, i) != LUA_TNUMBER)
                        return luaL_error(L, "vec: element %I is %s", (LUAI_UACINT)i, luaL_typename(L, -1));
                data[i - 1] = (float)lua_tonumber(L, -1);
        }
        return 1;
}

uint32_t hb_vec_check_length(lua_State *L, int index, const char *doing) {
        int whole;
        lua_Integer n = lua_tointegerx(L, index, &whole);

        if (!whole)
                luaL_error(L, "%s: a whole number of elements expected, got %s", doing,
                           lua_type(L, index) == LUA_TNUMBER ? "a fraction" : luaL_typename(L, index));
        if (n < 0 || n > (lua_Integer)HB_POLICY_BATCH)
                luaL_error(L, "%s: 0 to %d elements, not %I", doing, (int)HB_POLICY_BATCH, (LUAI_UACINT)n);
        return (uint32_t)n;
}

/* hb.vec(n [, fill]) or hb.vec{x, y, ...} */
static int f_vec(lua_State *L) {
        uint32_t n;

        if (lua_type(L, 1) == LUA_TTABLE) {
                lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
                n = hb_vec_check_length(L, -1, "vec");
                return push_list(L, n);
        }
        n = hb_vec_check_length(L, 1, "vec");
        push_node(L, HB_VEC_CONST, n)->number = (float)luaL_optnumber(L, 2, 0);
        push_handle(L, lua_touserdata(L, -1));
        return 1;
}

static void add_op(lua_State *L, const char *name, lua_CFunction f, enum hb_vec_op op) {
        lua_pushinteger(L, op);
        lua_pushcclosure(L, f, 1);
        lua_setfield(L, -2, name);
}

/* The in-place twin of a method in the table on top of the stack. */
static void add_in_place(lua_State *L, const char *method) {
        lua_getfield(L, -1, method);
        lua_pushcclosure(L, m_in_place, 1);
        lua_pushfstring(L, "%s_", method);
        lua_insert(L, -2);
        lua_rawset(L, -3);
}

static void push_methods(lua_State *L) {
        lua_newtable(L);
        lua_pushcfunction(L, m_copy);
        lua_setfield(L, -2, "copy");
        for (unsigned op = 0; op < HB_VEC_OPS; op++) {
                const char *name = hb_vec_op_name((enum hb_vec_op)op);
                char in_place[16];

                snprintf(in_place, sizeof in_place, "%s_", name);
                add_op(L, name, m_op, (enum hb_vec_op)op);
                add_op(L, in_place, m_op_in_place, (enum hb_vec_op)op);
        }
        hb_vec_add_reductions(L);
        hb_vec_add_index_methods(L);
        add_in_place(L, "cumsum");
        add_in_place(L, "gather");
        add_in_place(L, "topk");
}

static void refuse(lua_State *L, const char *event, const char *why) {
        lua_pushstring(L, why);
        lua_pushcclosure(L, m_refuse, 1);
        lua_setfield(L, -2, event);
}

static void open_type(lua_State *L) {
        static const luaL_Reg events[] = {{"__len", m_len}, {"__tostring", m_tostring}, {NULL, NULL}};
        static const struct {
                const char *event;
                enum hb_vec_op op;
        } arithmetic[] = {{"__add", HB_VEC_ADD},
                          {"__sub", HB_VEC_SUB},
                          {"__mul", HB_VEC_MUL},
                          {"__div", HB_VEC_DIV},
                          {"__unm", HB_VEC_NEG}};

        luaL_newmetatable(L, TYPE);
        luaL_setfuncs(L, events, 0);
        for (unsigned i = 0; i < sizeof arithmetic / sizeof *arithmetic; i++)
                add_op(L, arithmetic[i].event, m_op, arithmetic[i].op);
        push_methods(L);
        lua_pushcclosure(L, m_index, 1);
        lua_setfield(L, -2, "__index");
        refuse(L, "__newindex",
               "elements of a vector cannot be assigned; build it with hb.vec{...} or an expression");
        refuse(L, "__lt", "vectors are compared with v:lt(x), v:gt(x), which give 0 or 1 for each element");
        refuse(L, "__le", "vectors are compared with v:le(x), v:ge(x), which give 0 or 1 for each element");
        lua_pushliteral(L, TYPE);
        lua_setfield(L, -2, "__metatable");
        lua_pop(L, 1);
}

void hb_vec_open(lua_State *L) {
        static const luaL_Reg functions[] = {{"vec", f_vec}, {NULL, NULL}};
        static const enum hb_vec_op free_standing[] = {HB_VEC_MIN, HB_VEC_MAX, HB_VEC_WHERE};

        hb_vec_eval_open(L);
        open_type(L);
        luaL_newlib(L, functions);
        for (unsigned i = 0; i < sizeof free_standing / sizeof *free_standing; i++)
                add_op(L, hb_vec_op_name(free_standing[i]), m_op, free_standing[i]);
        hb_vec_add_index_functions(L);
}
