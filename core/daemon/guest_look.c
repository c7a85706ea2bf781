/* guest_look: see guest_look.h.
 *
 * A look takes the loop SLICE_NS at a time and lets others have their turn in between; at most HB_MAP_LOOKS
 * pages are looked at. The guest may go between two slices, so it is found anew by its name for each, and is
 * the same one only under the same id and shape. Looks are answered one after the other, and LOOKS_MOST may
 * wait. */
#include "daemon/guest_look.h"
#include "base/clock.h"
#include "base/fault.h"
#include "daemon/guest.h"
#include "daemon/guest_map.h"
#include "daemon/incoming.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_NS   (2 * HB_NS_PER_MS)
#define LOOKS_MOST 64u
#define STRIDE     4096u /* pages between two looks at the clock, and of one question to the predictor */

#define SOURCE_PLANES                                                                                        \
        (HB_PLANE_BIT(HB_PLANE_READS) | HB_PLANE_BIT(HB_PLANE_WRITES) | HB_PLANE_BIT(HB_PLANE_RESIDENT))
#define TARGET_PLANES (HB_PLANE_BIT(HB_PLANES) - 1) /* all */

struct look {
        struct look *next;
        hb_request *request;
        char guest[HB_NAME_MAX];
        bool source;
        const void *object; /* the guest or placement it began with: compared, never followed */
        struct hb_shape shape;
        struct hb_map_plan plan;
        hb_guest_map *map;
        uint64_t done; /* pages */
        /* of the pages that are being looked at */
        uint32_t gfn[STRIDE];
        float reads[STRIDE], writes[STRIDE], expected[STRIDE];
};

struct hb_guest_looks {
        hb_daemon *d;
        struct look *first; /* being looked at; others wait behind */
        unsigned n;
        struct event *turn;
};

/* ---- pages ---- */

static void look_at_source(struct look *l, const struct hb_guest *g, uint64_t until) {
        for (; l->done < until; l->done++) {
                uint64_t gfn = hb_map_plan_page(&l->plan, l->done);
                struct hb_page_info i;
                hb_page_map_get(g->map, gfn, &i);
                struct hb_map_page p = {.rate = {i.read_heat, i.write_heat},
                                        .is = i.resident ? HB_PLANE_BIT(HB_PLANE_RESIDENT) : 0};
                hb_guest_map_add(l->map, gfn, &p);
        }
}

/* As the engine counts: what holds no data on the source is nothing here. */
static unsigned planes_of(const struct hb_incoming *in, uint64_t gfn) {
        static const unsigned of_state[] = {
                [HB_PAGE_FRESH] = HB_PLANE_BIT(HB_PLANE_FRESH),
                [HB_PAGE_STALE] = HB_PLANE_BIT(HB_PLANE_STALE) | HB_PLANE_BIT(HB_PLANE_KNOWN),
                [HB_PAGE_ABSENT] = HB_PLANE_BIT(HB_PLANE_ABSENT) | HB_PLANE_BIT(HB_PLANE_KNOWN),
                [HB_PAGE_FETCHING] = HB_PLANE_BIT(HB_PLANE_FETCHING)};
        unsigned flags = hb_image_pages(in->image)[gfn].flags;
        unsigned no = (flags & HB_IP_KNOWN ? 0 : HB_PLANE_BIT(HB_PLANE_KNOWN));
        if (!(flags & HB_IP_RESIDENT))
                return 0;
        return HB_PLANE_BIT(HB_PLANE_RESIDENT) | (of_state[hb_engine_page(in->engine, gfn)] & ~no) |
               (flags & HB_IP_SPILLED ? HB_PLANE_BIT(HB_PLANE_SPILLED) : 0);
}

/* A predictor that fails at it costs the picture its plane, and nothing else. */
static void look_at_target(struct look *l, struct hb_incoming *in, uint64_t until) {
        uint32_t n = (uint32_t)(until - l->done);
        for (uint32_t i = 0; i < n; i++)
                l->gfn[i] = (uint32_t)hb_map_plan_page(&l->plan, l->done + i);
        bool ask = !isnan(hb_guest_map_cell(l->map, HB_PLANE_EXPECTED, 0)); /* not a second time */
        if (hb_engine_glance(in->engine, l->gfn, n, l->reads, l->writes, ask ? l->expected : NULL) < 0)
                hb_guest_map_forget(l->map, HB_PLANE_EXPECTED);
        for (uint32_t i = 0; i < n; i++) {
                struct hb_map_page p = {.rate = {l->reads[i], l->writes[i], l->expected[i]},
                                        .is = planes_of(in, l->gfn[i])};
                hb_guest_map_add(l->map, l->gfn[i], &p);
        }
        l->done = until;
}

/* ---- a look ---- */

static void end_look(struct look *l, hb_shared_text *map, const struct hb_err *e) {
        if (map)
                hb_request_ok_text(l->request, map);
        else
                hb_request_fail(l->request, e);
        hb_shared_text_unref(map);
        hb_guest_map_free(l->map);
        free(l);
}

static void answer(struct look *l) {
        struct hb_json_out o = {0};
        struct hb_err e;
        hb_guest_map_write(l->map, l->guest, l->source ? "source" : "target", &l->shape, &o);
        if (o.buf.failed)
                hb_buf_free(&o.buf);
        hb_shared_text *map = hb_shared_text_new(o.buf.data, o.buf.len);
        if (!map)
                hb_err_set(&e, -ENOMEM, l->guest, NULL, "no memory for the map");
        end_look(l, map, &e);
}

static bool same(const struct look *l, const void *object, const struct hb_shape *shape) {
        return object == l->object && hb_shape_equal(shape, &l->shape);
}

/* False: it is not there any more. */
static bool look_on(hb_daemon *d, struct look *l) {
        uint64_t all = hb_map_plan_looks(&l->plan), until = l->done + STRIDE < all ? l->done + STRIDE : all;
        struct hb_guest *g = l->source ? hb_guest_find(d, l->guest) : NULL;
        struct hb_incoming *in = l->source ? NULL : hb_incoming_find(d, l->guest);
        if (g && g->caps && same(l, g->map, &g->target->shape))
                look_at_source(l, g, until);
        else if (in && same(l, in->engine, &in->shape))
                look_at_target(l, in, until);
        else
                return false;
        return true;
}

/* ---- turns ---- */

static void pop(struct hb_guest_looks *s) {
        struct look *l = s->first;
        s->first = l->next;
        s->n--;
}

static void go_on(struct hb_guest_looks *s) {
        struct timeval now = {0};
        if (s->first)
                event_add(s->turn, &now);
}

static void on_turn(evutil_socket_t fd, short what, void *arg) {
        struct hb_guest_looks *s = arg;
        struct look *l = s->first;
        uint64_t end = hb_now_ns() + SLICE_NS, all = hb_map_plan_looks(&l->plan);
        struct hb_err e;
        bool there = hb_request_alive(l->request);
        while (there && l->done < all && hb_now_ns() < end)
                there = look_on(s->d, l);
        if (there && l->done < all) {
                go_on(s);
                return;
        }
        pop(s);
        go_on(s);
        if (there) {
                answer(l);
                return;
        }
        hb_err_set(&e, -ESTALE, l->guest, "ask again", "the guest has moved, or ended, meanwhile");
        end_look(l, NULL, &e);
}

static int looks_of(hb_daemon *d, struct hb_guest_looks **ret, struct hb_err *e) {
        struct hb_guest_looks *s = d->looks;
        if (!s && !hb_fault("guest_look.new"))
                s = d->looks = calloc(1, sizeof *s);
        if (s && !s->turn) {
                s->d = d;
                s->turn = event_new(d->base, -1, 0, on_turn, s);
        }
        if (!s || !s->turn)
                return hb_err_set(e, -ENOMEM, "guest.map", NULL, "no memory to look at a guest");
        if (s->n >= LOOKS_MOST)
                return hb_err_set(e, -EBUSY, "guest.map", "ask again in a moment", "%u maps are being made",
                                  s->n);
        *ret = s;
        return 0;
}

void hb_guest_looks_free(hb_daemon *d) {
        struct hb_guest_looks *s = d->looks;
        struct hb_err e;
        if (!s)
                return;
        hb_err_set(&e, -ECANCELED, "guest.map", NULL, "the daemon stopped");
        while (s->first) {
                struct look *l = s->first;
                pop(s);
                end_look(l, NULL, &e);
        }
        if (s->turn)
                event_free(s->turn);
        free(s);
        d->looks = NULL;
}

/* ---- asked for ---- */

/* What is here decides where it both is and comes, as in the moment of a move. */
static int find(hb_daemon *d, const char *name, struct look *l, struct hb_err *e) {
        const struct hb_guest *g = hb_guest_find(d, name);
        const struct hb_incoming *in = hb_incoming_find(d, name);
        snprintf(l->guest, sizeof l->guest, "%s", name);
        if (g && g->caps) {
                l->source = true;
                l->object = g->map;
                l->shape = g->target->shape;
        } else if (in) {
                l->object = in->engine;
                l->shape = in->shape;
        } else if (g) {
                return hb_err_set(e, -EAGAIN, name, "try again in a moment",
                                  "the guest is still being attached");
        } else {
                return hb_err_set(e, -ENOENT, name, "harbinger status",
                                  "host %s has neither a guest nor an image of this name", d->settings->name);
        }
        return 0;
}

static int whole(json_t *args, const char *key, uint64_t fallback, uint64_t *ret, struct hb_err *e) {
        json_t *v = json_object_get(args, key);
        json_int_t i = v ? json_integer_value(v) : 0;
        if (i < 0)
                return hb_err_set(e, -EINVAL, key, NULL, "it cannot be negative");
        *ret = v ? (uint64_t)i : fallback;
        return 0;
}

static int plan(json_t *args, struct look *l, struct hb_err *e) {
        uint64_t first = 0, pages = 0, cells = 0;
        int r = whole(args, "first", 0, &first, e);
        if (r == 0)
                r = whole(args, "pages", 0, &pages, e);
        if (r == 0)
                r = whole(args, "cells", 1024, &cells, e);
        if (r == 0)
                r = hb_map_plan(l->shape.pages, first, pages, cells, &l->plan, e);
        if (r == 0 && hb_guest_map_new(&l->plan, l->source ? SOURCE_PLANES : TARGET_PLANES, &l->map) < 0)
                r = hb_err_set(e, -ENOMEM, l->guest, NULL, "no memory for the map");
        return r;
}

void hb_guest_map_cmd(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_guest_looks *s = NULL;
        struct look *l = NULL;
        struct hb_err e;
        int rc = looks_of(d, &s, &e);
        if (rc == 0 && !(l = calloc(1, sizeof *l)))
                rc = hb_err_set(&e, -ENOMEM, "guest.map", NULL, "no memory to look at a guest");
        if (rc == 0)
                rc = find(d, json_string_value(json_object_get(args, "guest")), l, &e);
        if (rc == 0)
                rc = plan(args, l, &e);
        if (rc < 0) {
                free(l);
                hb_request_fail(r, &e);
                return;
        }
        l->request = r;
        struct look **at = &s->first;
        while (*at)
                at = &(*at)->next;
        *at = l;
        s->n++;
        go_on(s);
}
