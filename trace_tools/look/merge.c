/* merge: the parts of one recording become one trace.
 *
 * Two passes: the first opens every part, one after the other, and refuses what does not belong together
 * before anything is written; the second copies. Each part's times are relative to its own first moment; the
 * dates put them on one line, and where a clock was set back between two parts, the later one begins right
 * after the earlier. One part is open at a time. One thread. */
#include "look/pipe.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct merge {
        struct hb_look_pipe p;
        struct hb_trace_header h;           /* of the result; after the first pass with the last shape */
        struct hb_trace_policy policies[3]; /* active where the copy stands */
        uint32_t part, last_epoch;
        uint64_t shift_ns, last_ns;
        bool number_on;
        uint32_t epoch_shift, written_epoch;
};

/* ---- what belongs together ---- */
static int differs(const char *path, const char *what, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, path,
                          "harbinger trace info shows both; --side-by-side joins several guests",
                          "this is no part of the same recording: another %s", what);
}

/* Equal, but that the later one's last region may be longer. */
static bool shape_grew(const struct hb_shape *a, const struct hb_shape *b) {
        if (a->nregions != b->nregions || b->pages < a->pages)
                return false;
        for (uint32_t i = 0; i < a->nregions; i++) {
                const struct hb_region *x = &a->regions[i], *y = &b->regions[i];
                bool last = i + 1 == a->nregions;

                if (strcmp(x->name, y->name) != 0 || x->first_gfn != y->first_gfn ||
                    x->backing_page != y->backing_page || (last ? y->pages < x->pages : y->pages != x->pages))
                        return false;
        }
        return true;
}

static int belongs(const struct merge *m, const struct hb_trace_header *h, const struct hb_trace_info *info,
                   const char *path, struct hb_err *e) {
        const struct hb_trace_header *a = &m->h;

        if (strcmp(a->guest, h->guest) != 0)
                return differs(path, "guest", e);
        if (a->origin != h->origin || a->flags != h->flags || a->page_size != h->page_size)
                return differs(path, "kind of trace", e);
        if (a->epoch_ns != h->epoch_ns)
                return differs(path, "epoch length", e);
        if (!shape_grew(&a->shape, &h->shape))
                return differs(path, "shape of memory", e);
        if (a->seed != h->seed || a->engine_size != h->engine_size ||
            memcmp(a->engine, h->engine, a->engine_size) != 0)
                return differs(path, "engine", e);
        if ((a->part || h->part) && h->part <= m->part)
                return hb_err_set(e, -EINVAL, path, "name the parts in the order they were recorded",
                                  "part %u comes after part %u", h->part, m->part);
        if (!m->number_on && info->epochs && m->last_epoch && info->first_epoch <= m->last_epoch)
                return hb_err_set(e, -EINVAL, path, "name the parts in the order they were recorded",
                                  "it begins with epoch %u, the part before it ends with epoch %u",
                                  info->first_epoch, m->last_epoch);
        return 0;
}

static int look_at(struct merge *m, unsigned i, const char *path, struct hb_err *e) {
        const struct hb_trace_header *h;
        hb_trace_reader *in = NULL;
        struct hb_trace_info info;
        int r = hb_look_pipe_open(&m->p, path, &in, e);

        if (r < 0)
                return r;
        h = hb_trace_reader_header(in);
        hb_trace_reader_info(in, &info);
        if (i == 0)
                m->h = *h;
        else
                r = belongs(m, h, &info, path, e);
        if (r == 0) {
                m->h.shape = h->shape;
                if (strcmp(m->h.salt, h->salt) != 0)
                        memset(m->h.salt, 0, sizeof(m->h.salt));
                m->part = h->part;
                m->last_epoch = info.epochs ? info.last_epoch : m->last_epoch;
        }
        hb_trace_reader_free(in);
        return r;
}

/* ---- copying ---- */

/* What a part's times need to go on where the part before it ended. Dates that would put it before that end
 * are not believed: then its own beginning is that end. */
static uint64_t shift_of(const struct merge *m, const struct hb_trace_header *h,
                         const struct hb_trace_item *i) {
        uint64_t shift = 0;

        if (m->p.r.epochs + m->p.r.events == 0)
                return 0;
        if (m->h.begins_unix_ns && h->begins_unix_ns > m->h.begins_unix_ns)
                shift = h->begins_unix_ns - m->h.begins_unix_ns;
        if (i->time_ns + shift < m->last_ns)
                shift = m->last_ns;
        if (i->kind == HB_TRACE_EPOCH && i->time_ns + shift <= m->last_ns)
                shift++; /* two epochs at one time */
        return shift;
}

/* A policy swapped between two parts is told by the later one's header alone. */
static int tell_policies(struct merge *m, const struct hb_trace_header *h, uint64_t time_ns,
                         struct hb_err *e) {
        char text[160];
        int r = 0;

        for (unsigned k = 0; k < 3 && r == 0; k++) {
                const struct hb_trace_policy *now = &h->policies[k];

                if (!now->name[0] || memcmp(now, &m->policies[k], sizeof(*now)) == 0)
                        continue;
                m->policies[k] = *now;
                snprintf(text, sizeof(text), "%s %s %s", now->name, now->version, now->hash);
                r = hb_look_pipe_mark(&m->p, time_ns, HB_MARK_POLICY, k, text, e);
        }
        return r;
}

static int take(struct merge *m, const struct hb_trace_item *i, struct hb_err *e) {
        struct hb_trace_event ev = i->event;

        m->last_ns = i->time_ns + m->shift_ns;
        if (i->kind == HB_TRACE_EPOCH) {
                m->written_epoch = i->epoch + m->epoch_shift;
                return hb_look_pipe_epoch(&m->p, m->written_epoch, m->last_ns, i->access, i->naccess, e);
        }
        hb_look_policy_of_mark(&ev, m->policies);
        if (ev.stream == HB_TRACE_FINGERPRINT && !m->h.salt[0]) { /* of several salts: cannot be compared */
                m->p.r.left_out++;
                return 0;
        }
        ev.time_ns = m->last_ns;
        return hb_look_pipe_event(&m->p, &ev, e);
}

static int copy(struct merge *m, hb_trace_reader *in, struct hb_err *e) {
        const struct hb_trace_header *h = hb_trace_reader_header(in);
        struct hb_trace_item item;
        bool begun = false;
        int r;

        while ((r = hb_trace_reader_next(in, &item, e)) > 0) {
                if (!begun) {
                        m->shift_ns = shift_of(m, h, &item);
                        m->epoch_shift = m->number_on ? m->written_epoch : 0;
                        r = tell_policies(m, h, item.time_ns + m->shift_ns, e);
                        begun = true;
                }
                if (r >= 0)
                        r = take(m, &item, e);
                if (r == 0)
                        r = hb_look_pipe_tick(&m->p, in, e);
                if (r < 0)
                        return r;
        }
        return r;
}

static int append(struct merge *m, const char *path, struct hb_err *e) {
        hb_trace_reader *in = NULL;
        uint64_t of = 0;
        int r = hb_trace_reader_open(path, &in, e);

        if (r < 0)
                return r;
        r = copy(m, in, e);
        hb_trace_reader_at(in, &of);
        m->p.at_before += of;
        hb_trace_reader_free(in);
        return r;
}

int hb_look_merge(const char *const *in, unsigned n, const struct hb_look_output *o,
                  struct hb_look_result *ret, struct hb_err *e) {
        struct merge m = {0};
        int r = 0;

        hb_look_pipe_init(&m.p, o);
        m.number_on = o->number_on;
        for (unsigned i = 0; i < n && r == 0; i++)
                r = look_at(&m, i, in[i], e);
        if (r < 0 || n == 0)
                return n ? r : hb_err_set(e, -EINVAL, NULL, NULL, "there is nothing to merge");
        memcpy(m.policies, m.h.policies, sizeof(m.policies));
        m.h.part = 0;
        r = hb_look_pipe_begin(&m.p, &m.h, e);
        for (unsigned i = 0; i < n && r == 0; i++)
                r = append(&m, in[i], e);
        return hb_look_pipe_end(&m.p, r, ret, e);
}
