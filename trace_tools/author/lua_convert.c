/* lua_convert: one row a field. Unknown fields are errors: a misspelt column that reads as zeros would make a
 * specification pass for the wrong reason. */
#include "author/lua_convert.h"
#include <stddef.h>
#include <string.h>

struct field {
        const char *name;
        size_t offset;
};

#define FIELD(type, f)                                                                                       \
        { #f, offsetof(struct type, f) }
static const struct field columns[] = {
        FIELD(hb_policy_pages, read_heat),  FIELD(hb_policy_pages, write_heat),
        FIELD(hb_policy_pages, age_s),      FIELD(hb_policy_pages, version_age_s),
        FIELD(hb_policy_pages, run_length), FIELD(hb_policy_pages, bytes_to_send),
        FIELD(hb_policy_pages, predicted),  FIELD(hb_policy_pages, predicted_writes),
        FIELD(hb_policy_pages, known),      {NULL, 0}};
static const struct field guest_fields[] = {
        FIELD(hb_policy_guest, now_s),        FIELD(hb_policy_guest, horizon_s),
        FIELD(hb_policy_guest, pages),        FIELD(hb_policy_guest, resident_pages),
        FIELD(hb_policy_guest, fresh_pages),  FIELD(hb_policy_guest, stale_pages),
        FIELD(hb_policy_guest, absent_pages), FIELD(hb_policy_guest, dirty_bytes_per_s),
        FIELD(hb_policy_guest, epoch_s),      {NULL, 0}};
static const struct field link_fields[] = {
        FIELD(hb_policy_link, latency_s),        FIELD(hb_policy_link, bytes_per_s),
        FIELD(hb_policy_link, free_bytes_per_s), FIELD(hb_policy_link, used_share),
        FIELD(hb_policy_link, cap_bytes_per_s),  FIELD(hb_policy_link, confidence),
        FIELD(hb_policy_link, pace_loss),        {NULL, 0}};
static const struct field accuracy_fields[] = {
        FIELD(hb_policy_accuracy, precision),    FIELD(hb_policy_accuracy, recall),
        FIELD(hb_policy_accuracy, hit),          FIELD(hb_policy_accuracy, late),
        FIELD(hb_policy_accuracy, stale),        FIELD(hb_policy_accuracy, wasted),
        FIELD(hb_policy_accuracy, wasted_share), {NULL, 0}};

void *hb_lua_buffer(lua_State *L, size_t size) {
        void *p = lua_newuserdatauv(L, size + 1, 0);

        memset(p, 0, size + 1);
        return p;
}

static bool known_field(const struct field *f, const char *name) {
        for (; f->name; f++)
                if (!strcmp(f->name, name))
                        return true;
        return false;
}

/* Every key is in `rows` or is one of the two more (NULL: none). */
static void check_keys(lua_State *L, int index, const char *what, const struct field *rows, const char *more,
                       const char *also) {
        luaL_checkstack(L, 4, NULL);
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
                const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(no name)";
                if (!known_field(rows, key) && (!more || strcmp(key, more)) && (!also || strcmp(key, also)))
                        luaL_error(L, "%s: there is no '%s'", what, key);
        }
}

void hb_lua_check_fields(lua_State *L, int index, const char *what, const char *const *known) {
        index = lua_absindex(L, index);
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
                const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(no name)";
                unsigned k = 0;
                while (known[k] && strcmp(known[k], key))
                        k++;
                if (!known[k])
                        luaL_error(L, "%s: there is no '%s'", what, key);
        }
}

double hb_lua_number_field(lua_State *L, int index, const char *what, const char *field, double otherwise) {
        double v = otherwise;

        index = lua_absindex(L, index);
        if (lua_getfield(L, index, field) == LUA_TNUMBER)
                v = lua_tonumber(L, -1);
        else if (!lua_isnil(L, -1))
                luaL_error(L, "%s: '%s' must be a number, not %s", what, field, luaL_typename(L, -1));
        lua_pop(L, 1);
        return v;
}

void hb_lua_read_floats(lua_State *L, int index, const char *what, float *d, uint32_t n) {
        index = lua_absindex(L, index);
        if (lua_type(L, index) == LUA_TNUMBER) {
                for (uint32_t i = 0; i < n; i++)
                        d[i] = (float)lua_tonumber(L, index);
                return;
        }
        if (!lua_istable(L, index) || lua_rawlen(L, index) != n)
                luaL_error(L, "%s must be a list of %d numbers", what, (int)n);
        for (uint32_t i = 0; i < n; i++) {
                if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNUMBER)
                        luaL_error(L, "%s: element %d is %s", what, (int)i + 1, luaL_typename(L, -1));
                d[i] = (float)lua_tonumber(L, -1);
                lua_pop(L, 1);
        }
}

void hb_lua_push_floats(lua_State *L, const float *v, uint32_t n) {
        lua_createtable(L, (int)n, 0);
        for (uint32_t i = 0; i < n; i++) {
                lua_pushnumber(L, (double)v[i]);
                lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
}

/* As long as the first list in it, in the order of the rows; without any list pages.n says it. */
static uint32_t length_of(lua_State *L, int index) {
        lua_Unsigned n = 0;
        bool found = false;

        for (const struct field *f = columns; f->name && !found; f++) {
                found = lua_getfield(L, index, f->name) == LUA_TTABLE;
                n = found ? lua_rawlen(L, -1) : 0;
                lua_pop(L, 1);
        }
        if (!found)
                n = (lua_Unsigned)hb_lua_number_field(L, index, "pages", "n", 0);
        if (n > HB_POLICY_BATCH)
                luaL_error(L, "pages: at most %d of them", (int)HB_POLICY_BATCH);
        return (uint32_t)n;
}

static const float *constant(lua_State *L, uint32_t n, float value) {
        float *d = hb_lua_buffer(L, n * sizeof(*d));

        for (uint32_t i = 0; i < n; i++)
                d[i] = value;
        return d;
}

void hb_lua_read_pages(lua_State *L, int index, struct hb_policy_pages *ret) {
        struct hb_policy_pages p = {0};

        luaL_checktype(L, index, LUA_TTABLE);
        luaL_checkstack(L, 16, NULL);
        check_keys(L, index, "pages", columns, "n", "gfn");
        p.n = length_of(L, index);
        p.run_length = constant(L, p.n, 1);
        p.bytes_to_send = constant(L, p.n, 2112); /* a page that packs to a half, and its frame */
        for (const struct field *f = columns; f->name; f++) {
                if (lua_getfield(L, index, f->name) != LUA_TNIL) {
                        float *d = hb_lua_buffer(L, p.n * sizeof(*d));
                        lua_insert(L, -2);
                        hb_lua_read_floats(L, -1, f->name, d, p.n);
                        memcpy((char *)&p + f->offset, &(const float *){d}, sizeof(d));
                }
                lua_pop(L, 1);
        }
        if (lua_getfield(L, index, "gfn") == LUA_TTABLE) {
                uint32_t *gfn = hb_lua_buffer(L, p.n * sizeof(*gfn));
                for (uint32_t i = 0; i < p.n; i++, lua_pop(L, 1)) {
                        lua_rawgeti(L, -2, (lua_Integer)i + 1);
                        gfn[i] = (uint32_t)luaL_checkinteger(L, -1);
                }
                p.gfn = gfn;
        }
        *ret = p;
}

/* The number fields of a table, which may be nil; returns whether there is a table. */
static bool read_numbers(lua_State *L, int index, const char *what, const struct field *rows,
                         const char *more, void *to) {
        if (lua_isnoneornil(L, index))
                return false;
        luaL_checktype(L, index, LUA_TTABLE);
        check_keys(L, index, what, rows, more, NULL);
        for (const struct field *f = rows; f->name; f++) {
                double v;
                memcpy(&v, (char *)to + f->offset, sizeof(v));
                v = hb_lua_number_field(L, index, what, f->name, v);
                memcpy((char *)to + f->offset, &v, sizeof(v));
        }
        return true;
}

void hb_lua_read_guest(lua_State *L, int index, struct hb_policy_guest *io) {
        if (!read_numbers(L, index, "guest", guest_fields, "draining", io))
                return;
        lua_getfield(L, index, "draining");
        io->draining = lua_toboolean(L, -1);
        lua_pop(L, 1);
}

void hb_lua_read_link(lua_State *L, int index, struct hb_policy_link *ret) {
        struct hb_policy_link l = {.latency_s = 1e-4,
                                   .bytes_per_s = 1.25e8,
                                   .free_bytes_per_s = -1,
                                   .used_share = 0,
                                   .confidence = 1};

        read_numbers(L, index, "link", link_fields, NULL, &l);
        if (l.free_bytes_per_s < 0)
                l.free_bytes_per_s = l.bytes_per_s * (1 - l.used_share);
        *ret = l;
}

void hb_lua_read_accuracy(lua_State *L, int index, struct hb_policy_accuracy *ret) {
        struct hb_policy_accuracy a = {.precision = -1, .recall = -1, .wasted_share = -1};

        read_numbers(L, index, "accuracy", accuracy_fields, NULL, &a);
        *ret = a;
}

void hb_lua_read_scores(lua_State *L, int index, uint32_t ret[HB_POLICY_BUCKETS], double *ret_previous) {
        static const char *const known[] = {"histogram", "previous", "n", NULL};
        float counts[HB_POLICY_BUCKETS] = {0};

        *ret_previous = 0;
        if (!lua_isnoneornil(L, index)) {
                luaL_checktype(L, index, LUA_TTABLE);
                hb_lua_check_fields(L, index, "scores", known);
                *ret_previous = hb_lua_number_field(L, index, "scores", "previous", 0);
                if (lua_getfield(L, index, "histogram") != LUA_TNIL)
                        hb_lua_read_floats(L, -1, "scores.histogram", counts, HB_POLICY_BUCKETS);
                lua_pop(L, 1);
        }
        for (unsigned i = 0; i < HB_POLICY_BUCKETS; i++)
                ret[i] = counts[i] > 0 ? (uint32_t)counts[i] : 0;
}
