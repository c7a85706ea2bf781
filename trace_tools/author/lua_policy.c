/* lua_policy: harbinger.policy(path), a policy in the real sandbox, with the limits and the trial of a
 * daemon's. What it is called with are tables of lists (or a builder's pages), what it answers are lists. A
 * failure is a Lua error with the host's own message. One guard a Lua state, in the registry. */
#include "author/lua_policy.h"
#include "author/world.h"
#include "base/err.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TYPE  "harbinger.policy"
#define GUARD "harbinger.guard"

const struct hb_policy_guest hb_lua_some_guest = {
        .now_s = 60, .horizon_s = 10, .epoch_s = 1, .pages = 65536, .resident_pages = 65536};

hb_plugin *hb_lua_test_policy(lua_State *L, int index) {
        struct hb_lua_policy *b = luaL_testudata(L, index, TYPE);
        return b ? b->plugin : NULL;
}

static struct hb_lua_policy *check_box(lua_State *L) {
        return luaL_checkudata(L, 1, TYPE);
}

static int m_gc(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);

        b->plugin = hb_plugin_free(b->plugin);
        b->model = hb_model_free(b->model);
        return 0;
}

static int guard_gc(lua_State *L) {
        hb_guard **g = luaL_checkudata(L, 1, GUARD);

        *g = hb_guard_free(*g);
        return 0;
}

/* ---- loading ---- */

/* Leaves the guard's userdata on the stack. */
static hb_guard *push_guard(lua_State *L) {
        hb_guard **g;
        int rc;

        if (lua_getfield(L, LUA_REGISTRYINDEX, GUARD ".one") == LUA_TUSERDATA)
                return *(hb_guard **)lua_touserdata(L, -1);
        lua_pop(L, 1);
        g = lua_newuserdatauv(L, sizeof(*g), 0);
        *g = NULL;
        luaL_setmetatable(L, GUARD);
        rc = hb_guard_new(g);
        if (rc < 0)
                luaL_error(L, "policy: no guard: %s", strerror(-rc));
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, GUARD ".one");
        return *g;
}

/* The policy folder beside the calling specification: DIR of DIR/spec/x_spec.lua, else its own folder.
 * Relative paths are meant from there. */
static const char *resolve(lua_State *L, const char *path) {
        char dir[PATH_MAX], *slash;
        lua_Debug ar;

        if (*path == '/' || !lua_getstack(L, 1, &ar) || !lua_getinfo(L, "S", &ar) || *ar.source != '@')
                return path;
        snprintf(dir, sizeof(dir), "%s", ar.source + 1);
        slash = strrchr(dir, '/');
        if (!slash)
                strcpy(dir, ".");
        else
                *slash = 0;
        slash = strrchr(dir, '/');
        if (!strcmp(slash ? slash + 1 : dir, "spec"))
                strcpy(slash ? slash : dir, slash ? "" : ".");
        return lua_pushfstring(L, "%s/%s", dir, path);
}

static void read_options(lua_State *L, struct hb_plugin_limits *limits, const char **ret_model) {
        static const char *const known[] = {"memory_mib", "deadline_ms", "seed", "model", NULL};

        *limits = hb_author_limits;
        *ret_model = NULL;
        if (lua_isnil(L, 2))
                return;
        luaL_checktype(L, 2, LUA_TTABLE);
        hb_lua_check_fields(L, 2, "policy", known);
        limits->memory_bytes = (uint64_t)(hb_lua_number_field(L, 2, "policy", "memory_mib", 64) * 1048576);
        limits->deadline_ns = (uint64_t)(hb_lua_number_field(L, 2, "policy", "deadline_ms", 50) * 1e6);
        limits->seed = (uint64_t)(int64_t)hb_lua_number_field(L, 2, "policy", "seed", 1);
        if (lua_getfield(L, 2, "model") == LUA_TSTRING)
                *ret_model = resolve(L, lua_tostring(L, -1));
}

static int fail_with(lua_State *L, const struct hb_err *e) {
        return luaL_error(L, "%s%s%s%s", e->what, *e->which ? " (" : "", e->which, *e->which ? ")" : "");
}

/* harbinger.policy(path [, { memory_mib =, deadline_ms =, seed =, model = }]) */
static int f_policy(lua_State *L) {
        const char *path = luaL_checkstring(L, 1), *model;
        struct hb_plugin_limits limits;
        struct hb_err e = {0};
        hb_guard *guard;
        struct hb_lua_policy *b;

        lua_settop(L, 2);
        read_options(L, &limits, &model);
        path = resolve(L, path);
        b = lua_newuserdatauv(L, sizeof(*b), 1);
        memset(b, 0, sizeof(*b));
        luaL_setmetatable(L, TYPE);
        guard = push_guard(L);
        lua_setiuservalue(L, -2, 1);
        if (hb_author_load(path, &limits, guard, &b->plugin, &b->where, &e) < 0)
                return fail_with(L, &e);
        if (model && hb_model_read(model, &b->model, &e) < 0)
                return fail_with(L, &e);
        hb_plugin_set_model(b->plugin, b->model);
        return 1;
}

/* ---- asking ---- */

void hb_lua_read_asked(lua_State *L, struct hb_lua_asked *a, int guest) {
        hb_made_world *w = hb_lua_test_world(L, 2);

        a->guest = hb_lua_some_guest;
        if (w) {
                hb_made_world_pages(w, &a->pages);
                hb_made_world_guest(w, &a->guest);
        } else {
                hb_lua_read_pages(L, 2, &a->pages);
        }
        hb_lua_read_guest(L, guest, &a->guest);
}

struct hb_lua_policy *hb_lua_check_kind(lua_State *L, enum hb_policy_kind kind, const char *method) {
        struct hb_lua_policy *b = check_box(L);

        if (b->where.kind != kind)
                luaL_error(L, "%s: '%s' is a %s", method, b->where.name, hb_policy_kind_name(b->where.kind));
        lua_settop(L, 5);
        return b;
}

static void run(lua_State *L, struct hb_lua_policy *b, struct hb_plugin_call *c) {
        char message[HB_PLUGIN_MESSAGE];

        if (hb_plugin_run(b->plugin, c, message, &b->spent_ns) < 0)
                luaL_error(L, "%s", message);
}

/* :predict(pages [, guest]): accesses, writes */
static int m_predict(lua_State *L) {
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_PREDICTOR, "predict");
        struct hb_plugin_call c = {NULL};
        struct hb_lua_asked a = {{0}};

        hb_lua_read_asked(L, &a, 3);
        c.pages = &a.pages;
        c.guest = &a.guest;
        for (int k = 0; k < 2; k++)
                c.out[k] = hb_lua_buffer(L, a.pages.n * sizeof(float));
        run(L, b, &c);
        for (int k = 0; k < 2; k++)
                hb_lua_push_floats(L, c.out[k], a.pages.n);
        return 2;
}

/* :score(pages [, link, guest, accuracy]) */
static int m_score(lua_State *L) {
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_SCORER, "score");
        struct hb_plugin_call c = {NULL};
        struct hb_lua_asked a = {{0}};

        hb_lua_read_asked(L, &a, 4);
        if (hb_lua_test_world(L, 2)) {
                const float *accesses, *writes;
                hb_lua_world_expected(L, 2, &accesses, &writes);
                a.pages.predicted = accesses ? accesses : a.pages.predicted;
                a.pages.predicted_writes = writes ? writes : a.pages.predicted_writes;
        }
        hb_lua_read_link(L, 3, &a.link);
        hb_lua_read_accuracy(L, 5, &a.accuracy);
        c = (struct hb_plugin_call){
                .pages = &a.pages, .guest = &a.guest, .link = &a.link, .accuracy = &a.accuracy};
        c.out[0] = hb_lua_buffer(L, a.pages.n * sizeof(float));
        run(L, b, &c);
        for (uint32_t i = 0; i < a.pages.n; i++) /* as the host does */
                c.out[0][i] = c.out[0][i] < -1 ? -1 : c.out[0][i] > 1 ? 1 : c.out[0][i];
        hb_lua_push_floats(L, c.out[0], a.pages.n);
        return 1;
}

/* :threshold(scores [, link, guest, accuracy]) */
static int m_threshold(lua_State *L) {
        struct hb_lua_policy *b = hb_lua_check_kind(L, HB_POLICY_THRESHOLD, "threshold");
        uint32_t histogram[HB_POLICY_BUCKETS];
        struct hb_plugin_call c;
        struct hb_lua_asked a = {{0}};

        a.guest = hb_lua_some_guest;
        hb_lua_read_guest(L, 4, &a.guest);
        hb_lua_read_link(L, 3, &a.link);
        hb_lua_read_accuracy(L, 5, &a.accuracy);
        c = (struct hb_plugin_call){
                .guest = &a.guest, .link = &a.link, .accuracy = &a.accuracy, .histogram = histogram};
        hb_lua_read_scores(L, 2, histogram, &c.previous);
        run(L, b, &c);
        lua_pushnumber(L, c.number);
        return 1;
}

/* ---- what a host does besides ---- */

static int m_tune(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);
        const char *param = luaL_checkstring(L, 2);
        double value = lua_isboolean(L, 3) ? lua_toboolean(L, 3) : luaL_checknumber(L, 3);
        struct hb_err e = {0};

        if (hb_plugin_tune(b->plugin, param, value, &e) < 0)
                return fail_with(L, &e);
        return 0;
}

/* :save(): the bytes a host keeps, as a string. */
static int m_save(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);
        char message[HB_PLUGIN_MESSAGE];
        struct hb_buf out = {0};
        int rc = hb_plugin_save(b->plugin, &out, message);

        if (rc == 0)
                lua_pushlstring(L, out.data ? (const char *)out.data : "", out.len);
        hb_buf_free(&out);
        return rc < 0 ? luaL_error(L, "%s", message) : 1;
}

static int m_restore(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);
        char message[HB_PLUGIN_MESSAGE];
        size_t size;
        const char *data = luaL_checklstring(L, 2, &size);

        if (hb_plugin_restore(b->plugin, data, size, message) < 0)
                return luaL_error(L, "%s", message);
        return 0;
}

static void add_line(void *arg, const char *line) {
        lua_State *L = arg;

        lua_pushstring(L, line);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* :log(): what it said by hb.log since the last look. */
static int m_log(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);

        lua_newtable(L);
        hb_plugin_take_log(b->plugin, add_line, L);
        return 1;
}

static void add_counter(void *arg, const char *name, double value) {
        lua_State *L = arg;

        lua_pushnumber(L, value);
        lua_setfield(L, -2, name);
}

static int m_counters(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);

        lua_newtable(L);
        hb_plugin_counters(b->plugin, add_counter, L);
        return 1;
}

static int m_note(lua_State *L) {
        lua_pushstring(L, hb_plugin_note(check_box(L)->plugin));
        return 1;
}

/* :spent_ms(): CPU time of the last call. */
static int m_spent_ms(lua_State *L) {
        lua_pushnumber(L, (double)check_box(L)->spent_ns / 1e6);
        return 1;
}

static void push_params(lua_State *L, const hb_plugin *p) {
        struct hb_policy_param params[64];
        unsigned n = hb_plugin_params(p, params, 64);

        lua_createtable(L, 0, (int)n);
        for (unsigned i = 0; i < n && i < 64; i++) {
                if (!strcmp(params[i].type, "boolean"))
                        lua_pushboolean(L, params[i].value != 0);
                else
                        lua_pushnumber(L, params[i].value);
                lua_setfield(L, -2, params[i].name);
        }
}

static int m_index(lua_State *L) {
        struct hb_lua_policy *b = check_box(L);
        const char *key = luaL_checkstring(L, 2);

        if (!strcmp(key, "name"))
                lua_pushstring(L, b->where.name);
        else if (!strcmp(key, "kind"))
                lua_pushstring(L, hb_policy_kind_name(b->where.kind));
        else if (!strcmp(key, "version"))
                lua_pushstring(L, hb_plugin_version(b->plugin));
        else if (!strcmp(key, "hash"))
                lua_pushstring(L, hb_plugin_hash(b->plugin));
        else if (!strcmp(key, "memory_bytes"))
                lua_pushinteger(L, (lua_Integer)hb_plugin_memory(b->plugin));
        else if (!strcmp(key, "params"))
                push_params(L, b->plugin);
        else if (lua_getfield(L, lua_upvalueindex(1), key) == LUA_TNIL)
                return luaL_error(L, "a policy of harbinger.policy has no '%s'", key);
        return 1;
}

void hb_lua_open_policy(lua_State *L) {
        static const luaL_Reg methods[] = {{"predict", m_predict},
                                           {"score", m_score},
                                           {"threshold", m_threshold},
                                           {"tune", m_tune},
                                           {"save", m_save},
                                           {"restore", m_restore},
                                           {"log", m_log},
                                           {"counters", m_counters},
                                           {"note", m_note},
                                           {"spent_ms", m_spent_ms},
                                           {NULL, NULL}};

        luaL_newmetatable(L, GUARD);
        lua_pushcfunction(L, guard_gc);
        lua_setfield(L, -2, "__gc");
        luaL_newmetatable(L, TYPE);
        luaL_newlib(L, methods);
        hb_lua_add_learning(L);
        lua_pushcclosure(L, m_index, 1);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, m_gc);
        lua_setfield(L, -2, "__gc");
        lua_pop(L, 2);
        lua_pushcfunction(L, f_policy);
}
