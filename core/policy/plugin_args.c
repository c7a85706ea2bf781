/* plugin_args: one row a field, from which a call's tables are made. Fresh tables each call, so that nothing
 * a policy writes into them reaches the next. Cost: about 5 us a call. */
#include "policy/plugin_args.h"
#include "policy/plugin_inside.h"
#include "policy/vec.h"
#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

struct field {
        const char *name;
        size_t offset;
};

#define PAGES(f)                                                                                             \
        { #f, offsetof(struct hb_policy_pages, f) }
#define GUEST(f)                                                                                             \
        { #f, offsetof(struct hb_policy_guest, f) }
#define LINK(f)                                                                                              \
        { #f, offsetof(struct hb_policy_link, f) }
#define ACCURACY(f)                                                                                          \
        { #f, offsetof(struct hb_policy_accuracy, f) }

static const struct field page_columns[] = {
        PAGES(read_heat),  PAGES(write_heat),    PAGES(age_s), PAGES(version_age_s),
        PAGES(run_length), PAGES(bytes_to_send), {NULL, 0}};
static const struct field scorer_columns[] = {PAGES(predicted), PAGES(predicted_writes), {NULL, 0}};
static const struct field guest_fields[] = {
        GUEST(now_s),       GUEST(horizon_s),   GUEST(pages),        GUEST(resident_pages),
        GUEST(fresh_pages), GUEST(stale_pages), GUEST(absent_pages), GUEST(dirty_bytes_per_s),
        GUEST(epoch_s),     {NULL, 0}};
static const struct field link_fields[] = {
        LINK(latency_s),       LINK(bytes_per_s), LINK(free_bytes_per_s), LINK(used_share),
        LINK(cap_bytes_per_s), LINK(confidence),  LINK(pace_loss),        {NULL, 0}};
static const struct field accuracy_counts[] = {
        ACCURACY(hit), ACCURACY(late), ACCURACY(stale), ACCURACY(wasted), {NULL, 0}};
static const struct field accuracy_shares[] = {
        ACCURACY(precision), ACCURACY(recall), ACCURACY(wasted_share), {NULL, 0}};

static void push_columns(lua_State *L, const struct field *f, const struct hb_policy_pages *pages) {
        for (; f->name; f++) {
                const float *data;
                memcpy(&data, (const char *)pages + f->offset, sizeof data);
                hb_vec_push_column(L, data, pages->n);
                lua_setfield(L, -2, f->name);
        }
}

void hb_plugin_push_pages(lua_State *L, hb_plugin *p, const struct hb_policy_pages *pages,
                          bool with_prediction) {
        lua_createtable(L, 0, 9);
        lua_pushinteger(L, pages->n);
        lua_setfield(L, -2, "n");
        push_columns(L, page_columns, pages);
        if (with_prediction)
                push_columns(L, scorer_columns, pages);
        hb_plugin_watch_pages(L, p, pages);
}

/* Numbers of a struct; those below `least` are left out, so the policy reads nil. */
static void push_numbers(lua_State *L, const struct field *f, const void *from, double least) {
        for (; f->name; f++) {
                double v;
                memcpy(&v, (const char *)from + f->offset, sizeof v);
                if (v < least)
                        continue;
                lua_pushnumber(L, v);
                lua_setfield(L, -2, f->name);
        }
}

void hb_plugin_push_guest(lua_State *L, const struct hb_policy_guest *g) {
        lua_createtable(L, 0, 10);
        push_numbers(L, guest_fields, g, -HUGE_VAL);
        lua_pushboolean(L, g->draining);
        lua_setfield(L, -2, "draining");
}

static void push_link(lua_State *L, const struct hb_policy_link *l) {
        lua_createtable(L, 0, 7);
        push_numbers(L, link_fields, l, -HUGE_VAL);
}

static void push_accuracy(lua_State *L, const struct hb_policy_accuracy *a) {
        lua_createtable(L, 0, 7);
        push_numbers(L, accuracy_counts, a, -HUGE_VAL);
        push_numbers(L, accuracy_shares, a, 0);
}

static void push_scores(lua_State *L, const struct hb_plugin_call *c) {
        double total = 0;

        lua_createtable(L, 0, 3);
        lua_createtable(L, HB_POLICY_BUCKETS, 0);
        for (int i = 0; i < HB_POLICY_BUCKETS; i++) {
                total += c->histogram[i];
                lua_pushnumber(L, c->histogram[i]);
                lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "histogram");
        lua_pushnumber(L, total);
        lua_setfield(L, -2, "n");
        lua_pushnumber(L, c->previous);
        lua_setfield(L, -2, "previous");
}

int hb_plugin_push_args(lua_State *L, hb_plugin *p, const struct hb_plugin_call *c) {
        enum hb_policy_kind k = p->kind;

        if (k == HB_POLICY_THRESHOLD)
                push_scores(L, c);
        else
                hb_plugin_push_pages(L, p, c->pages, k == HB_POLICY_SCORER);
        if (k == HB_POLICY_PREDICTOR) {
                hb_plugin_push_guest(L, c->guest);
                return 2;
        }
        push_link(L, c->link);
        hb_plugin_push_guest(L, c->guest);
        push_accuracy(L, c->accuracy);
        return 4;
}

/* The vector at `index`, of the right length. */
static struct hb_vec_node *check_result(lua_State *L, int index, int number, uint32_t n) {
        struct hb_vec_node *node = hb_vec_test(L, index);

        if (!node)
                luaL_error(L, "result %d must be a vector, not %s", number, luaL_typename(L, index));
        else if (node->n != n)
                luaL_error(L, "result %d has %d elements, pages.n is %d", number, (int)node->n, (int)n);
        return node;
}

static void read_vectors(lua_State *L, int count, struct hb_plugin_call *c) {
        struct hb_vec_node *roots[2] = {NULL, NULL};

        for (int i = 0; i < count; i++)
                roots[i] = check_result(L, i - count, i + 1, c->pages->n);
        hb_vec_eval(L, roots, c->out, (unsigned)count);
        for (int i = 0; i < count; i++)
                if (!hb_vec_all_finite(c->out[i], c->pages->n))
                        luaL_error(L, "result %d holds NaN or infinity", i + 1);
}

void hb_plugin_read_results(lua_State *L, enum hb_policy_kind k, struct hb_plugin_call *c) {
        if (k != HB_POLICY_THRESHOLD) {
                read_vectors(L, hb_plugin_results(k), c);
                return;
        }
        if (lua_type(L, -1) != LUA_TNUMBER)
                luaL_error(L, "the result must be a number, not %s", luaL_typename(L, -1));
        c->number = lua_tonumber(L, -1);
        if (!isfinite(c->number))
                luaL_error(L, "the result is NaN or infinity");
}

int hb_plugin_results(enum hb_policy_kind k) {
        return k == HB_POLICY_PREDICTOR ? 2 : 1;
}

const char *hb_plugin_method(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"predict", "score", "threshold"};
        return names[k];
}
