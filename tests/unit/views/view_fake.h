/* view_fake: daemons that say what a test wants, behind socketpairs, and a view looked at as text. JSON is
 * written with ' for " so that it can be read in C. */
#pragma once
#include "check.h"
#include "control/ctl.h"
#include "draw/doc_out.h"
#include "draw/paint.h"
#include "views/view.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKES 4u
struct fake {
        hb_world *w;
        unsigned n;
        int fd[FAKES];
        json_t *tick[FAKES], *answers[FAKES]; /* answers: results by command */
        char in[FAKES][65536];
        size_t have[FAKES];
        int watch[FAKES];
        int64_t now;
        struct hb_view_memory memory;
        struct hb_view_ctx ctx;
        char text[262144]; /* of the last look */
};

static inline json_t *fake_json(const char *quoted) {
        char *s = strdup(quoted);
        json_error_t e;
        json_t *j;

        for (char *p = s; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        j = json_loads(s, 0, &e);
        if (!j)
                fail_msg("test JSON: %s at: %.200s", e.text, s + (e.position > 100 ? e.position - 100 : 0));
        free(s);
        return j;
}

static inline void fake_new(struct fake *f) {
        struct hb_err e;

        memset(f, 0, sizeof(*f));
        f->now = 1000000000;
        assert_int_equal(hb_world_new(&(struct hb_world_options){.silent_ns = INT64_MAX / 8}, &f->w, &e), 0);
        hb_world_set_wall(f->w, 1795400000); /* 2026-11-23T02:13:20Z */
        f->ctx = (struct hb_view_ctx){.world = f->w, .memory = &f->memory, .control = true};
}

static inline void fake_free(struct fake *f) {
        hb_world_free(f->w);
        for (unsigned i = 0; i < f->n; i++) {
                close(f->fd[i]);
                json_decref(f->tick[i]);
                json_decref(f->answers[i]);
        }
}

/* Both are stolen; answers may be NULL. */
static inline unsigned fake_add(struct fake *f, json_t *tick, json_t *answers) {
        struct hb_err e;
        int pair[2];
        unsigned i = f->n++;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        f->fd[i] = pair[1];
        f->tick[i] = tick;
        f->answers[i] = answers ? answers : json_object();
        assert_int_equal(hb_world_add_fd(f->w, pair[0], "seat", &e), (int)i);
        return i;
}

static inline bool fake_pump(struct fake *f) {
        struct pollfd fds[FAKES];
        unsigned n = hb_world_poll(f->w, fds, FAKES);
        bool more = false;

        poll(fds, n, 0);
        hb_world_pump(f->w, fds, n, f->now, &more);
        return more;
}

/* The world reads while there is more to say than the socket holds. */
static inline void fake_say(struct fake *f, unsigned i, json_t *msg) {
        size_t len, at = 0;
        char *line = hb_ctl_line(msg, &len);

        assert_non_null(line);
        while (at < len) {
                ssize_t n = write(f->fd[i], line + at, len - at);

                assert_true(n > 0 || errno == EAGAIN);
                at += n > 0 ? (size_t)n : 0;
                if (n < 0)
                        fake_pump(f);
        }
        free(line);
        json_decref(msg);
}

static inline void fake_tick(struct fake *f, unsigned i) {
        if (f->watch[i])
                fake_say(f, i, hb_ctl_progress(f->watch[i], json_incref(f->tick[i])));
}

static inline void fake_answer(struct fake *f, unsigned i, const char *line, size_t len) {
        struct hb_err e;
        const char *cmd;
        json_t *msg, *result;
        int id;

        assert_int_equal(hb_ctl_parse_request(line, len, &id, &cmd, &msg, &e), 0);
        assert_non_null(hb_ctl_find(cmd));
        if (hb_ctl_check(hb_ctl_find(cmd), json_object_get(msg, "args"), &e) < 0)
                fail_msg("%s: %s", cmd, e.what);
        result = json_object_get(f->answers[i], cmd);
        if (strcmp(cmd, "watch") == 0) {
                f->watch[i] = id;
                fake_tick(f, i);
        } else if (json_is_object(result)) {
                fake_say(f, i, hb_ctl_ok(id, json_incref(result)));
        } else {
                hb_err_set(&e, -EOPNOTSUPP, cmd, "ask somebody else", "the fake does not know %s", cmd);
                fake_say(f, i, hb_ctl_fail(id, &e));
        }
        json_decref(msg);
}

static inline bool fake_read(struct fake *f, unsigned i) {
        ssize_t n = read(f->fd[i], f->in[i] + f->have[i], sizeof(f->in[i]) - f->have[i]);
        char *nl;

        if (n <= 0)
                return false;
        f->have[i] += (size_t)n;
        while ((nl = memchr(f->in[i], '\n', f->have[i]))) {
                size_t len = (size_t)(nl - f->in[i]) + 1;

                fake_answer(f, i, f->in[i], len);
                f->have[i] -= len;
                memmove(f->in[i], f->in[i] + len, f->have[i]);
        }
        return true;
}

/* Time goes on until everybody has said what there is to say. */
static inline void fake_turn(struct fake *f) {
        for (unsigned round = 0; round < 3; round++) {
                bool busy = true;

                f->now += 300000000;
                while (busy) {
                        busy = fake_pump(f);
                        for (unsigned i = 0; i < f->n; i++)
                                busy = fake_read(f, i) || busy;
                }
        }
}

/* ---- looking ---- */

static inline hb_doc *fake_build(struct fake *f, const struct hb_view *v) {
        hb_doc *d = NULL;

        for (unsigned i = 0; i < 3; i++) { /* details are asked for by looking */
                hb_doc_free(d);
                d = hb_doc_new(v->name);
                assert_non_null(d);
                assert_int_equal(v->build(&f->ctx, d), 0);
                if (i < 2)
                        fake_turn(f);
        }
        if (hb_doc_main(d))
                hb_doc_arrange(d, &f->memory.order);
        return d;
}

static inline void fake_take(struct fake *f, FILE *from) {
        size_t n;

        rewind(from);
        n = fread(f->text, 1, sizeof(f->text) - 1, from);
        f->text[n] = '\0';
        fclose(from);
}

static inline const char *fake_plain(struct fake *f, const struct hb_view *v) {
        hb_doc *d = fake_build(f, v);
        FILE *out = tmpfile();

        assert_non_null(out);
        assert_int_equal(hb_doc_plain(d, f->memory.place.row, true, out), 0);
        fake_take(f, out);
        hb_doc_free(d);
        return f->text;
}

static inline json_t *fake_doc_json(struct fake *f, const struct hb_view *v) {
        hb_doc *d = fake_build(f, v);
        json_t *j = hb_doc_json(d);

        assert_non_null(j);
        hb_doc_free(d);
        return j;
}

static inline const char *fake_painted(struct fake *f, const struct hb_view *v, unsigned w, unsigned h) {
        struct hb_place_in_doc place = {{0}};
        struct hb_paint_result r;
        hb_surface *s = NULL;
        FILE *out = tmpfile();
        hb_doc *d;

        assert_non_null(out);
        f->ctx.width = w;
        f->ctx.height = h;
        d = fake_build(f, v);
        memcpy(place.row, f->memory.place.row, sizeof(place.row));
        assert_int_equal(hb_surface_new(w, h, true, &s), 0);
        hb_paint_doc(s, (struct hb_rect){0, 0, w, h}, d, f->ctx.glyphs, true, &place, &r);
        memcpy(f->memory.place.row, place.row, sizeof(place.row));
        assert_int_equal(hb_surface_write(s, out), 0);
        fake_take(f, out);
        hb_surface_free(s);
        hb_doc_free(d);
        f->ctx.width = f->ctx.height = 0;
        return f->text;
}

static inline void fake_has(const struct fake *f, const char *words) {
        if (!strstr(f->text, words))
                fail_msg("\"%s\" is not in:\n%s", words, f->text);
}

static inline void fake_lacks(const struct fake *f, const char *words) {
        if (strstr(f->text, words))
                fail_msg("\"%s\" is in:\n%s", words, f->text);
}

/* ---- acting ---- */

/* answers: NULL-ended. Orders that are sent must be what the daemon takes. */
static inline void fake_act(struct fake *f, const struct hb_view *v, enum hb_action a, const char *row,
                            const char *const *answers, struct hb_order *o) {
        struct hb_err e;
        unsigned n = 0;

        while (answers && answers[n])
                n++;
        *o = (struct hb_order){0};
        assert_int_equal(v->act(&f->ctx, a, row, answers, n, o), 0);
        if (o->kind == HB_ORDER_SAY || o->kind == HB_ORDER_ASK)
                assert_true(o->text[0]);
        if (o->kind != HB_ORDER_CALL)
                return;
        assert_true(o->text[0]);
        assert_non_null(hb_ctl_find(o->cmd));
        if (hb_ctl_check(hb_ctl_find(o->cmd), o->args, &e) < 0)
                fail_msg("%s: %s", o->cmd, e.what);
        assert_non_null(hb_world_seat(f->w, o->seat));
}
#define FAKE_ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Every action on every row with answers as somebody might give them: nothing but orders that are right. */
static inline void fake_act_all(struct fake *f, const struct hb_view *v, const char *const *rows) {
        static const char *const answers[] = {"",           "vm1", "b",    "0.5",         "-1", "yes",
                                              "all guests", "1e9", "calm", "scorer/calm", "x",  "another..."};
        const struct hb_view_memory kept = f->memory;
        struct hb_order o;

        for (int a = 0; a < HB_DO_COUNT; a++)
                for (const char *const *row = rows; *row; row++)
                        for (unsigned i = 0; i <= sizeof(answers) / sizeof(answers[0]); i++)
                                for (unsigned n = 0; n <= HB_ANSWERS; n++) {
                                        const char *given[HB_ANSWERS + 1] = {0};

                                        for (unsigned k = 0; k < n; k++)
                                                given[k] = answers[(i + k * 5) %
                                                                   (sizeof(answers) / sizeof(answers[0]))];
                                        fake_act(f, v, (enum hb_action)a, *row, given, &o);
                                        hb_order_fini(&o);
                                        f->memory = kept;
                                }
}

/* ---- what a daemon may leave out ---- */

static inline uint32_t fake_random(uint32_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        *seed ^= *seed << 5;
        return *seed;
}

/* Longer than any buffer, with what terminals and formats would act upon. */
static inline json_t *fake_hostile(void) {
        char text[900] = "%s%n\x1b[2J\r\n/|@ ";
        size_t n = strlen(text);

        memset(text + n, 'W', sizeof(text) - n - 1);
        return json_string(text);
}

/* Some members dropped, null, of another type, or (ways: 5) -1. */
static inline json_t *fake_spoil(const json_t *j, uint32_t *seed, unsigned ways) {
        json_t *out;

        if (json_is_object(j)) {
                const char *key;
                json_t *v;

                out = json_object();
                json_object_foreach((json_t *)j, key, v) {
                        switch (fake_random(seed) % 24) {
                        case 0:
                                break;
                        case 1:
                                json_object_set_new(out, key, json_null());
                                break;
                        case 2:
                                json_object_set_new(out, key, fake_hostile());
                                break;
                        case 3:
                                json_object_set_new(out, key, json_integer(ways == 5 ? -1 : 3));
                                break;
                        default:
                                json_object_set_new(out, key, fake_spoil(v, seed, ways));
                        }
                }
                return out;
        }
        if (!json_is_array(j))
                return json_deep_copy(j);
        out = json_array();
        for (size_t i = 0; i < json_array_size(j); i++)
                json_array_append_new(out, fake_spoil(json_array_get(j, i), seed, ways));
        return out;
}

static inline bool fake_in_word(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
               c == '_' || c == '-';
}

/* No number that is none may be shown. */
static inline void fake_no_nonsense(const struct fake *f) {
        static const char *const bad[] = {"nan", "-nan", "inf", "-inf", "-1", "(null)"};

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                for (const char *p = f->text; (p = strstr(p, bad[i])); p++)
                        if ((p == f->text || !fake_in_word(p[-1])) && !fake_in_word(p[strlen(bad[i])]))
                                fail_msg("\"%s\" is shown:\n%s", bad[i], f->text);
}
